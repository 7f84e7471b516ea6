#include "options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

namespace server {
namespace {

const char kUsage[] =
    "usage: tvm_rpc_server [options]\n"
    "  --host ADDRESS        listen here (default 127.0.0.1; 0.0.0.0 = every network, trusted only)\n"
    "  --port N              port (default 9090; 0 = any free one, printed)\n"
    "  --port-end N          try the ports below N in turn\n"
    "  --tracker HOST:PORT   register with a TVM RPC tracker, under --key\n"
    "  --key NAME            name of this kind of board\n"
    "  --custom-addr ADDRESS our address as clients of the tracker see it\n"
    "  --work-dir DIR        where session folders are made (default /tmp)\n"
    "  --sessions N          sessions at once (default 1)\n"
    "  --session-limit SEC   for clients that name no limit (default 3600; 0 = none)\n"
    "  --exit-with PID       end when this parent process ends\n"
    "  --rehearse            serve one session first, on another port that is printed\n"
    "  --silent              no log\n";

[[noreturn]] __attribute__((format(printf, 1, 2))) void Fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputs("; --help lists the options\n", stderr);
  exit(2);
}

double Number(const char* name, const char* text, double low, double high) {
  char* end = nullptr;
  const double value = strtod(text, &end);
  if (end == text || *end != 0 || !(value >= low && value <= high)) {
    Fail("%s takes a number from %.0f to %.0f, not '%s'", name, low, high, text);
  }
  return value;
}

// Keys and addresses go into JSON messages unquoted, hence the narrow alphabet.
const char* PlainWord(const char* name, const char* text) {
  if (strlen(text) > 100) Fail("%s is longer than 100 characters", name);
  for (const char* c = text; *c != 0; ++c) {
    if (!isalnum(static_cast<unsigned char>(*c)) && strchr("_.-:[]", *c) == nullptr) {
      Fail("%s may hold letters, digits and _.-:[] only, not '%s'", name, text);
    }
  }
  return text;
}

void SetOption(Options* options, const char* name, const char* value) {
  const auto is = [name](const char* known) { return strcmp(name, known) == 0; };
  if (is("--host")) {
    options->host = value;
  } else if (is("--port")) {
    options->port = static_cast<int>(Number(name, value, 0, 65535));
  } else if (is("--port-end")) {
    options->port_end = static_cast<int>(Number(name, value, 1, 65536));
  } else if (is("--key")) {
    options->key = PlainWord(name, value);
  } else if (is("--tracker")) {
    if (strrchr(PlainWord(name, value), ':') == nullptr) Fail("--tracker takes HOST:PORT");
    options->tracker = value;
  } else if (is("--custom-addr")) {
    options->custom_addr = PlainWord(name, value);
  } else if (is("--work-dir")) {
    if (strlen(value) > 200) Fail("--work-dir is longer than 200 characters");
    options->work_dir = value;
  } else if (is("--sessions")) {
    options->sessions = static_cast<int>(Number(name, value, 1, kMaxSessions));
  } else if (is("--session-limit")) {
    options->session_limit = Number(name, value, 0, 1e9);
  } else if (is("--exit-with")) {
    options->exit_with = static_cast<int>(Number(name, value, 0, 1e9));
  } else {
    Fail("unknown option %s", name);
  }
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    char* name = argv[i];
    if (strcmp(name, "--help") == 0) {
      fputs(kUsage, stdout);
      exit(0);
    }
    if (strcmp(name, "--silent") == 0) {
      SetSilent(true);
      continue;
    }
    if (strcmp(name, "--rehearse") == 0) {
      options.rehearse = true;
      continue;
    }
    char* equals = strchr(name, '=');
    if (equals != nullptr) *equals = 0;
    if (equals == nullptr && i + 1 == argc) Fail("%s needs a value", name);
    SetOption(&options, name, equals != nullptr ? equals + 1 : argv[++i]);
  }
  if (options.tracker != nullptr && *options.key == 0) Fail("--tracker needs --key");
  if (options.tracker != nullptr && options.sessions != 1) {
    Fail("a tracker hands out one session of a board at a time: leave --sessions at 1");
  }
  return options;
}

}  // namespace server
