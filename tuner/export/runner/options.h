// The command line of the runner.
#pragma once
#include <string>

namespace runner {

struct Options {
  std::string folder;           // where the program lies, and the files of the bundle
  std::string input, output;    // empty = the bundle's sample; do not write
  std::string labels;           // empty = none
  int repeat = 10;              // timed runs
  int threads = 0;              // 0 = one per core
  bool check = false;
};

// Ends the program: with 0 after --help, with 2 and one clear line on a bad command line.
Options ParseOptions(int argc, char** argv);

}  // namespace runner
