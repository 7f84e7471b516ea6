// Stands in for a header the wheel leaves out: the two string tests the runtime uses.
#pragma once
#include <cctype>
#include <cstring>
#include <string>

namespace tvm {
namespace support {

inline bool StartsWith(const std::string& text, const char* prefix) {
  return text.compare(0, std::strlen(prefix), prefix) == 0;
}

inline bool IsNumber(const std::string& text) {
  for (unsigned char c : text) {
    if (!std::isdigit(c)) return false;
  }
  return !text.empty();
}

}  // namespace support
}  // namespace tvm
