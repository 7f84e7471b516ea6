// What the kernel and the firmware of a real board tell of its clock and temperature.
#pragma once
#include <string>

namespace server {

// JSON text; the global function tuner.board.health. What is not known is left out; nothing is on
// the embedded board.
std::string DescribeHealth();

}  // namespace server
