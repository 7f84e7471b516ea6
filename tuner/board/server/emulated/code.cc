// Shows the emulator where the machine code of a library lies, so that it can let the host do the
// arithmetic of the vector instructions there (arithmetic/replaced.h).
#include <elf.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <vector>

#include "board_info.h"
#include "elf_loader.h"
#include "hooks.h"

namespace server {
namespace {

#if defined(__LP64__)
using Header = Elf64_Ehdr;
using Section = Elf64_Shdr;
using Symbol = Elf64_Sym;
constexpr const char* kCode = "$x";
#else
using Header = Elf32_Ehdr;
using Section = Elf32_Shdr;
using Symbol = Elf32_Sym;
constexpr const char* kCode = "$a";
#endif

// A mapping symbol of the ABI: from here on a section holds instructions, or something else
// (constants, $d, or Thumb code, $t).
struct Mark {
  size_t section, address;
  bool is_code;

  // Of two at one address the last one holds: what may be data counts as data.
  bool operator<(const Mark& other) const {
    if (section != other.section) return section < other.section;
    if (address != other.address) return address < other.address;
    return is_code && !other.is_code;
  }
};

bool IsMark(const char* name, const char* kind) {
  return strncmp(name, kind, 2) == 0 && (name[2] == '\0' || name[2] == '.');
}

// What the file says is checked no further than needed to stay within it.
class Sections {
 public:
  explicit Sections(const std::string& file) : file_(file) {
    const auto* header = reinterpret_cast<const Header*>(file.data());
    const size_t bytes = header->e_shnum * sizeof(Section);
    if (bytes > file.size() || header->e_shoff > file.size() - bytes) return;
    all_ = reinterpret_cast<const Section*>(file.data() + header->e_shoff);
    count_ = header->e_shnum;
  }

  std::vector<Mark> Marks() const {
    std::vector<Mark> marks;
    for (size_t i = 0; i < count_; ++i) {
      const Section& table = all_[i];
      if (table.sh_type != SHT_SYMTAB || table.sh_link >= count_) continue;
      const Section& names = all_[table.sh_link];
      if (!IsInFile(table) || !IsInFile(names)) continue;
      const auto* symbols = reinterpret_cast<const Symbol*>(file_.data() + table.sh_offset);
      for (size_t k = 0; k < table.sh_size / sizeof(Symbol); ++k) {
        const Symbol& symbol = symbols[k];
        if (symbol.st_shndx >= count_ || symbol.st_name + size_t{3} > names.sh_size) continue;
        const char* name = file_.data() + names.sh_offset + symbol.st_name;
        if (IsMark(name, "$d") || IsMark(name, "$t") || IsMark(name, kCode)) {
          marks.push_back({symbol.st_shndx, symbol.st_value, IsMark(name, kCode)});
        }
      }
    }
    std::sort(marks.begin(), marks.end());
    return marks;
  }

  // Where what begins at a mark ends, if the next one is this.
  size_t End(const Mark& mark, const Mark* next) const {
    if (next != nullptr && next->section == mark.section) return next->address;
    return all_[mark.section].sh_addr + all_[mark.section].sh_size;
  }

  bool HoldsCode(const Mark& mark) const {
    constexpr auto kFlags = SHF_ALLOC | SHF_EXECINSTR;
    return mark.is_code && mark.address % 4 == 0 &&
           (all_[mark.section].sh_flags & kFlags) == kFlags;
  }

 private:
  bool IsInFile(const Section& section) const {
    return section.sh_size <= file_.size() &&
           section.sh_offset <= file_.size() - section.sh_size;
  }

  const std::string& file_;
  const Section* all_{nullptr};
  size_t count_{0};
};

void ShowCode(const std::string& file, char* base, size_t bytes) {
  guest_call(GUEST_LIBRARY, base, static_cast<unsigned long>(bytes));
  const Sections sections(file);
  const std::vector<Mark> marks = sections.Marks();
  for (size_t i = 0; i < marks.size(); ++i) {
    if (!sections.HoldsCode(marks[i])) continue;
    const size_t end = sections.End(marks[i], i + 1 < marks.size() ? &marks[i + 1] : nullptr);
    if (marks[i].address < end && end <= bytes) {
      guest_call(GUEST_CODE, base + marks[i].address,
                 static_cast<unsigned long>(end - marks[i].address));
    }
  }
}

}  // namespace

void InstallCodeHook() {
  // Any bytes that QEMU's CPU structure does not hold by chance.
  alignas(16) static char pattern[32];
  uint32_t state = GUEST_HELLO_MAGIC;
  for (char& each : pattern) {
    state = state * 1664525u + 1013904223u;
    each = static_cast<char>(state >> 24);
  }
  guest_call_vectors(pattern);
  OnLibraryLoaded(ShowCode);
}

}  // namespace server
