// What this server runs on: the emulator's answer, or what a real kernel tells.
#pragma once
#include <cstdint>
#include <string>

#include "guest_calls.h"

namespace server {

struct BoardInfo {
  bool emulated;
  int model_version;  // of the timing model; 0 on a real board
  int cores;
  int threads;        // tasks of a parallel loop: TVM_NUM_THREADS, or one per core
  int64_t clock_hz;   // 0 = unknown
  std::string board, core;
};

// Asks once, at start-up.
const BoardInfo& ThisBoard();

// JSON text; the global function tuner.board.describe.
std::string DescribeBoard();

// Result words of the last timed region, by name, as JSON text; tuner.board.counters.
std::string DescribeCounters();
uint64_t* LastCounters();  // uint64_t[GUEST_RESULT_WORDS]

}  // namespace server
