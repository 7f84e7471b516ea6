// NumPy's .npy files, of float32 in C order: what the network takes and gives.
// Format: numpy.lib.format, versions 1.0 to 3.0.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace runner {

using Shape = std::vector<int64_t>;

// Something that the user has to mend; the message is the whole line they read.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

int64_t ElementCount(const Shape& shape);
std::string ToText(const Shape& shape);  // as Python writes it: (1, 3, 224, 224)

// The values of the file, which has to hold exactly a float32 array of `shape`. No more than that
// is ever read, whatever the file says of itself. Throws InputError.
std::vector<float> ReadNpy(const std::string& path, const Shape& shape);

// Throws InputError if the file cannot be written.
void WriteNpy(const std::string& path, const Shape& shape, const std::vector<float>& values);

}  // namespace runner
