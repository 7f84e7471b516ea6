// The folder of one session: every path a client names stays inside it, and it goes with the session.
#pragma once
#include <string>

namespace server {

// Makes a fresh folder under `parent` and remembers it. Uses no heap (see protocol.h). Returns
// false, with errno set, if that fails.
bool MakeWorkspace(const char* parent);
void RemoveWorkspace();

// Makes it the current folder of this process, and '.' its name from then on: the length of paths,
// and so the heap, is then the same in every session.
bool EnterWorkspace();

// Full path of a client's file. Throws ValueError when the name leads out of the folder.
std::string PathInWorkspace(const std::string& name);

// Names in a folder of the workspace ("" and "." are the workspace itself), sorted, joined by ','.
std::string ListWorkspace(const std::string& name);

}  // namespace server
