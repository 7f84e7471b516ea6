#include "npy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <memory>

namespace runner {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6, kPreambleBytes = 8;  // magic and two bytes of version
constexpr size_t kLongestHeader = 1 << 16;
constexpr size_t kAlignment = 64;
constexpr char kMake[] = "make one with numpy.save, or from a picture with `python -m tuner image`";

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

[[noreturn]] void Fail(const std::string& path, const std::string& reason) {
  throw InputError(path + " " + reason);
}

// Python's literal of a dictionary, as numpy writes it:
// {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 224, 224), }
class Header {
 public:
  // Parts of it are shown: no control characters from a damaged file.
  explicit Header(std::string text) : text_(std::move(text)) {
    for (char& c : text_) c = c >= ' ' && c <= '~' ? c : '?';
  }

  // What stands between the key and the `last` character of its value, that one included. Empty
  // if there is no such thing.
  std::string Value(const char* key, const char* last) const {
    const std::string quoted = std::string("'") + key + "':";
    const size_t found = text_.find(quoted);
    if (found == std::string::npos) return "";
    const size_t start = text_.find_first_not_of(' ', found + quoted.size());
    if (start == std::string::npos) return "";
    const size_t end = text_.find_first_of(last, start + 1);
    return end == std::string::npos ? "" : text_.substr(start, end + 1 - start);
  }

 private:
  std::string text_;
};

Header ReadHeader(FILE* file, const std::string& path) {
  const std::string not_npy = std::string("is not an .npy file: ") + kMake;
  unsigned char start[kPreambleBytes + 4];
  if (fread(start, 1, kPreambleBytes, file) != kPreambleBytes ||
      memcmp(start, kMagic, kMagicBytes) != 0) {
    Fail(path, ferror(file) ? std::string("cannot be read: ") + strerror(errno) : not_npy);
  }
  const int version = start[kMagicBytes];
  if (version < 1 || version > 3) {
    Fail(path, "has .npy version " + std::to_string(version) + ", known are 1 to 3");
  }
  const size_t length_bytes = version == 1 ? 2 : 4;
  if (fread(start + kPreambleBytes, 1, length_bytes, file) != length_bytes) Fail(path, not_npy);
  size_t length = 0;
  for (size_t i = length_bytes; i-- > 0;) length = length << 8 | start[kPreambleBytes + i];
  if (length > kLongestHeader) Fail(path, not_npy);
  std::string text(length, ' ');
  if (fread(&text[0], 1, length, file) != length) Fail(path, not_npy);
  return Header(std::move(text));
}

// Digits only count as digits: spaces, commas and the last comma of "(3,)" may stand where they do.
std::string WithoutSpaces(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain += c;
  }
  const size_t size = plain.size();
  if (size > 2 && plain[size - 2] == ',') plain.erase(size - 2, 1);
  return plain;
}

}  // namespace

int64_t ElementCount(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

std::string ToText(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::vector<float> ReadNpy(const std::string& path, const Shape& shape) {
  const File file(fopen(path.c_str(), "rb"));
  if (!file) Fail(path, std::string("cannot be read: ") + strerror(errno));
  const Header header = ReadHeader(file.get(), path);
  const std::string dtype = header.Value("descr", "'");
  if (dtype != "'<f4'") {
    const bool is_plain = !dtype.empty() && dtype[0] == '\'';  // else an array of structures
    Fail(path, "holds " + (is_plain ? dtype : "unknown") +
                   " values, the network takes float32 ('<f4'): save array.astype('float32')");
  }
  if (header.Value("fortran_order", ",}") != "False,") {
    Fail(path, "is not in C order: save numpy.ascontiguousarray(array)");
  }
  const std::string found = header.Value("shape", ")");
  if (WithoutSpaces(found) != WithoutSpaces(ToText(shape))) {
    Fail(path, "has the shape " + (found.empty() ? "()" : found) + ", not " + ToText(shape));
  }
  std::vector<float> values(static_cast<size_t>(ElementCount(shape)));
  const size_t read = fread(values.data(), sizeof(float), values.size(), file.get());
  if (read != values.size()) {
    Fail(path, "is cut short: " + std::to_string(read) + " of its " +
                   std::to_string(values.size()) + " values are there");
  }
  if (fgetc(file.get()) != EOF) Fail(path, "holds more than its shape says");
  return values;
}

void WriteNpy(const std::string& path, const Shape& shape, const std::vector<float>& values) {
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': " + ToText(shape) + ", }";
  // Spaces and a newline at the end bring the data to a multiple of 64 bytes.
  const size_t used = kPreambleBytes + 2 + text.size() + 1;
  text += std::string((kAlignment - used % kAlignment) % kAlignment, ' ') + "\n";
  const char start[] = {1, 0, static_cast<char>(text.size() & 255),
                        static_cast<char>(text.size() >> 8)};
  File file(fopen(path.c_str(), "wb"));
  bool is_written = file && fwrite(kMagic, 1, kMagicBytes, file.get()) == kMagicBytes &&
                    fwrite(start, 1, sizeof start, file.get()) == sizeof start &&
                    fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                    fwrite(values.data(), sizeof(float), values.size(), file.get()) ==
                        values.size();
  if (file) is_written = fclose(file.release()) == 0 && is_written;
  if (!is_written) Fail(path, std::string("cannot be written: ") + strerror(errno));
}

}  // namespace runner
