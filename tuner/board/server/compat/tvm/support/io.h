// Stands in for a header the wheel leaves out: the byte stream every serializer writes to.
#pragma once
#include <cstddef>

namespace tvm {
namespace support {

// How a type is written; specialised in serializer.h.
template <typename T, typename = void>
struct Serializer {
  static constexpr bool enabled = false;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual size_t Read(void* data, size_t size) = 0;
  virtual size_t Write(const void* data, size_t size) = 0;

  // Typed access, by Serializer<T>.
  template <typename T>
  inline bool Read(T* out);
  template <typename T>
  inline void Write(const T& value);
  template <typename T>
  inline bool ReadArray(T* out, size_t count);
  template <typename T>
  inline void WriteArray(const T* values, size_t count);
};

}  // namespace support
}  // namespace tvm
