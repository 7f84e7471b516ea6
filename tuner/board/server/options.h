// The command line of the server.
#pragma once

namespace server {

inline constexpr int kMaxSessions = 64;

struct Options {
  const char* host = "127.0.0.1";  // RPC runs any code a client sends: local unless told otherwise
  int port = 9090;                 // 0 = any free one
  int port_end = 0;                // try port .. port_end - 1; 0 = that port only
  const char* key = "";
  const char* tracker = nullptr;      // HOST:PORT
  const char* custom_addr = nullptr;  // our address as clients see it, for the tracker
  const char* work_dir = "/tmp";      // session folders are made here
  int sessions = 1;                   // at once; more than one disturbs each other's wall times
  double session_limit = 3600;        // seconds, for clients that name no limit; 0 = none
  bool rehearse = false;              // serve one session before listening: rehearsal.h
  int exit_with = 0;                  // end when this parent process does; 0 = stay
};

// Ends the program with status 2 and one clear line on a bad command line.
Options ParseOptions(int argc, char** argv);

}  // namespace server
