// Stands in for a header the wheel leaves out: the binary format of executables and RPC messages.
//
// Little endian hosts only. Plain values are raw bytes; strings, vectors and arrays are a uint64
// count followed by the elements, whatever the word size of the machine.
#pragma once
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/map.h>
#include <tvm/ffi/dtype.h>
#include <tvm/ffi/string.h>
#include <tvm/support/io.h>

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tvm {
namespace support {

// Types whose bytes in memory are their bytes in the stream.
template <typename T>
inline constexpr bool kIsRaw = std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                               std::is_same_v<T, DLDataType> || std::is_same_v<T, DLDevice>;

template <typename T>
struct Serializer<T, std::enable_if_t<kIsRaw<T>>> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const T& value) {
    stream->Write(static_cast<const void*>(&value), sizeof(T));
  }
  static bool Read(Stream* stream, T* value) {
    return stream->Read(static_cast<void*>(value), sizeof(T)) == sizeof(T);
  }
};

template <>
struct Serializer<std::string> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const std::string& value) {
    stream->Write(static_cast<uint64_t>(value.size()));
    stream->WriteArray(value.data(), value.size());
  }
  static bool Read(Stream* stream, std::string* value) {
    uint64_t count;
    if (!stream->Read(&count) || count > SIZE_MAX) return false;
    value->resize(static_cast<size_t>(count));
    return stream->ReadArray(value->data(), value->size());
  }
};

template <>
struct Serializer<ffi::String> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const ffi::String& value) {
    stream->Write(std::string(value.data(), value.size()));
  }
  static bool Read(Stream* stream, ffi::String* value) {
    std::string text;
    if (!stream->Read(&text)) return false;
    *value = ffi::String(std::move(text));
    return true;
  }
};

template <typename A, typename B>
struct Serializer<std::pair<A, B>> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const std::pair<A, B>& value) {
    stream->Write(value.first);
    stream->Write(value.second);
  }
  static bool Read(Stream* stream, std::pair<A, B>* value) {
    return stream->Read(&value->first) && stream->Read(&value->second);
  }
};

template <typename T>
struct Serializer<std::vector<T>> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const std::vector<T>& value) {
    stream->Write(static_cast<uint64_t>(value.size()));
    stream->WriteArray(value.data(), value.size());
  }
  static bool Read(Stream* stream, std::vector<T>* value) {
    uint64_t count;
    if (!stream->Read(&count) || count > SIZE_MAX / sizeof(T)) return false;
    value->resize(static_cast<size_t>(count));
    return stream->ReadArray(value->data(), value->size());
  }
};

template <typename T>
struct Serializer<ffi::Array<T>> {
  static constexpr bool enabled = true;
  static void Write(Stream* stream, const ffi::Array<T>& value) {
    stream->Write(static_cast<uint64_t>(value.size()));
    for (const T& element : value) stream->Write(element);
  }
  static bool Read(Stream* stream, ffi::Array<T>* value) {
    uint64_t count;
    if (!stream->Read(&count)) return false;
    *value = ffi::Array<T>();
    for (uint64_t i = 0; i < count; ++i) {
      T element;
      if (!stream->Read(&element)) return false;
      value->push_back(element);
    }
    return true;
  }
};

template <typename T>
inline bool Stream::Read(T* out) {
  return Serializer<T>::Read(this, out);
}

template <typename T>
inline void Stream::Write(const T& value) {
  Serializer<T>::Write(this, value);
}

template <typename T>
inline bool Stream::ReadArray(T* out, size_t count) {
  if constexpr (kIsRaw<T>) {
    const size_t bytes = sizeof(T) * count;
    return bytes == 0 || this->Read(static_cast<void*>(out), bytes) == bytes;
  } else {
    for (size_t i = 0; i < count; ++i) {
      if (!Serializer<T>::Read(this, out + i)) return false;
    }
    return true;
  }
}

template <typename T>
inline void Stream::WriteArray(const T* values, size_t count) {
  if constexpr (kIsRaw<T>) {
    if (count != 0) this->Write(static_cast<const void*>(values), sizeof(T) * count);
  } else {
    for (size_t i = 0; i < count; ++i) Serializer<T>::Write(this, values[i]);
  }
}

}  // namespace support
}  // namespace tvm
