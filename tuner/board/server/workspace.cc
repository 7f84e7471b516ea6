#include "workspace.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tvm/ffi/error.h>
#include <unistd.h>

#include <set>

namespace server {
namespace {

char workspace_path[256];

void RemoveTree(const std::string& folder) {
  if (DIR* entries = opendir(folder.c_str())) {
    while (const struct dirent* entry = readdir(entries)) {
      const std::string name = entry->d_name, path = folder + "/" + name;
      if (name == "." || name == "..") continue;
      struct stat facts;
      if (lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) {
        RemoveTree(path);
      } else {
        unlink(path.c_str());
      }
    }
    closedir(entries);
  }
  rmdir(folder.c_str());
}

}  // namespace

bool MakeWorkspace(const char* parent) {
  snprintf(workspace_path, sizeof workspace_path, "%s/tvm_rpc_XXXXXX", parent);
  return mkdtemp(workspace_path) != nullptr;
}

void RemoveWorkspace() { RemoveTree(workspace_path); }

bool EnterWorkspace() {
  if (chdir(workspace_path) != 0) return false;
  strcpy(workspace_path, ".");
  return true;
}

std::string PathInWorkspace(const std::string& name) {
  // Clients cannot make symbolic links through the protocol, so the text decides.
  const bool climbs = ("/" + name + "/").find("/../") != std::string::npos;
  if (name.empty() || name[0] == '/' || climbs || name.find('\0') != std::string::npos) {
    TVM_FFI_THROW(ValueError) << "the path '" << name << "' leads out of the session folder; "
                              << "use a relative name without '..'";
  }
  return std::string(workspace_path) + "/" + name;
}

std::string ListWorkspace(const std::string& name) {
  const bool whole = name.empty() || name == "." || name == "/";
  const std::string folder = whole ? workspace_path : PathInWorkspace(name);
  DIR* entries = opendir(folder.c_str());
  if (entries == nullptr) {
    TVM_FFI_THROW(ValueError) << "cannot list '" << name << "': " << strerror(errno);
  }
  std::set<std::string> names;
  while (const struct dirent* entry = readdir(entries)) {
    if (entry->d_name[0] != '.') names.insert(entry->d_name);
  }
  closedir(entries);
  std::string joined;
  for (const std::string& each : names) joined += (joined.empty() ? "" : ",") + each;
  return joined;
}

}  // namespace server
