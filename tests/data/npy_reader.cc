// The runner's .npy reader by itself, for sanitizers: reads files named on the command line, as
// arrays of 2x3, and prints one line for each.
#include <stdio.h>

#include "npy.h"

int main(int argc, char** argv) {
  const runner::Shape shape = {2, 3};
  for (int i = 1; i < argc; ++i) {
    try {
      const std::vector<float> values = runner::ReadNpy(argv[i], shape);
      runner::WriteNpy(std::string(argv[i]) + ".copy", shape, values);
      puts("ok");
    } catch (const runner::InputError& error) {
      puts(error.what());
    }
  }
}
