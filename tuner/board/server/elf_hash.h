// Symbol look-up by name in a loaded ELF file: GNU hash table first, else System V's.
#pragma once
#include <elf.h>
#include <string.h>

#include <cstdint>

namespace server {

#if defined(__LP64__)
using ElfSymbol = Elf64_Sym;
#else
using ElfSymbol = Elf32_Sym;
#endif

struct SymbolTable {
  const ElfSymbol* symbols;
  const char* strings;
  const uint32_t *gnu, *sysv;  // either may be absent

  const ElfSymbol* Find(const char* name) const {
    if (gnu != nullptr) return FindGnu(name);
    return sysv != nullptr ? FindSysv(name) : nullptr;
  }

 private:
  bool Matches(uint32_t index, const char* name) const {
    return symbols[index].st_shndx != SHN_UNDEF &&
           strcmp(strings + symbols[index].st_name, name) == 0;
  }

  // Header: bucket count, first hashed symbol, Bloom words, Bloom shift; then Bloom filter, buckets,
  // and one word per symbol: its hash, with bit 0 set on the last of a chain.
  const ElfSymbol* FindGnu(const char* name) const {
    uint32_t hash = 5381;
    for (const char* c = name; *c != 0; ++c) hash = hash * 33 + static_cast<uint8_t>(*c);
    const uint32_t bucket_count = gnu[0], first = gnu[1], bloom_words = gnu[2];
    if (bucket_count == 0) return nullptr;
    const uint32_t* buckets = gnu + 4 + bloom_words * (sizeof(void*) / sizeof(uint32_t));
    const uint32_t* chain = buckets + bucket_count;
    for (uint32_t i = buckets[hash % bucket_count]; i >= first; ++i) {
      if (((chain[i - first] ^ hash) >> 1) == 0 && Matches(i, name)) return symbols + i;
      if ((chain[i - first] & 1) != 0) break;
    }
    return nullptr;
  }

  // Header: bucket count, chain count; then buckets and chains of symbol numbers, ended by 0.
  const ElfSymbol* FindSysv(const char* name) const {
    uint32_t hash = 0;
    for (const char* c = name; *c != 0; ++c) {
      hash = (hash << 4) + static_cast<uint8_t>(*c);
      const uint32_t high = hash & 0xf0000000u;
      hash = (hash ^ high >> 24) & ~high;
    }
    const uint32_t bucket_count = sysv[0];
    if (bucket_count == 0) return nullptr;
    for (uint32_t i = sysv[2 + hash % bucket_count]; i != 0; i = sysv[2 + bucket_count + i]) {
      if (Matches(i, name)) return symbols + i;
    }
    return nullptr;
  }
};

}  // namespace server
