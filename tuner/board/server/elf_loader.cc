// Handles what TVM's kernels need: PT_LOAD segments, four relocation types, symbols of elf_symbols.
// No thread-local data, symbol versions, DT_NEEDED or constructors: kernels have none.
#include "elf_loader.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/function.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include "elf_hash.h"
#include "module_internal.h"

namespace server {
namespace {

namespace ffi = tvm::ffi;

#if defined(__LP64__)
using Header = Elf64_Ehdr;
using Segment = Elf64_Phdr;
using Dynamic = Elf64_Dyn;
using Rel = Elf64_Rel;
using Rela = Elf64_Rela;
constexpr int kClass = ELFCLASS64, kMachine = EM_AARCH64;
constexpr const char* kMachineName = "aarch64";
// Relocation numbers: ELF for the Arm 64-bit Architecture, "Dynamic relocations" and "Data".
enum : unsigned { kAbsolute = 257, kGlobalData = 1025, kJumpSlot = 1026, kRelative = 1027 };
size_t SymbolIndex(size_t info) { return ELF64_R_SYM(info); }
unsigned RelocationType(size_t info) { return static_cast<unsigned>(ELF64_R_TYPE(info)); }
#else
using Header = Elf32_Ehdr;
using Segment = Elf32_Phdr;
using Dynamic = Elf32_Dyn;
using Rel = Elf32_Rel;
using Rela = Elf32_Rela;
constexpr int kClass = ELFCLASS32, kMachine = EM_ARM;
constexpr const char* kMachineName = "armv7";
// Relocation numbers: ELF for the Arm Architecture, "Dynamic relocations".
enum : unsigned { kAbsolute = 2, kGlobalData = 21, kJumpSlot = 22, kRelative = 23 };
size_t SymbolIndex(size_t info) { return ELF32_R_SYM(info); }
unsigned RelocationType(size_t info) { return ELF32_R_TYPE(info); }
#endif
constexpr unsigned kNothing = 0;  // R_ARM_NONE, R_AARCH64_NONE

constexpr size_t kPage = 4096;
// Kernels start at the same place of every cache, whatever was loaded before: 64 KiB is at least
// the size of one way of every cache modelled.
constexpr size_t kLoadAlignment = 64 << 10;

LibraryHook library_hook = nullptr;

class ElfLibrary final : public ffi::Library {
 public:
  explicit ElfLibrary(const std::string& path) : path_(path) {
    const std::string file = ReadFile();
    const Header* header = CheckedHeader(file);
    const auto* segments = reinterpret_cast<const Segment*>(file.data() + header->e_phoff);
    const Dynamic* dynamic = Map(file, segments, header->e_phnum);
    ReadDynamic(dynamic);
    if (library_hook != nullptr) library_hook(file, base_, size_);
    Protect(segments, header->e_phnum);
    __builtin___clear_cache(base_, base_ + size_);
  }

  ~ElfLibrary() final;

  void* GetSymbol(const ffi::String& name) final {
    const ElfSymbol* symbol = symbols_.Find(name.c_str());
    return symbol != nullptr ? base_ + symbol->st_value : nullptr;
  }

 private:
  [[noreturn]] void Refuse(const std::string& reason) const {
    const std::string name = path_.substr(path_.rfind('/') + 1);
    TVM_FFI_THROW(RuntimeError) << "cannot load " << name << ": " << reason;
    abort();  // not reached: the macro's throw is opaque to the compiler
  }

  std::string ReadFile() const {
    std::ifstream stream(path_, std::ios::binary);
    if (!stream) Refuse("there is no such file in the session folder");
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }

  const Header* CheckedHeader(const std::string& file) const {
    const auto* header = reinterpret_cast<const Header*>(file.data());
    if (file.size() < sizeof(Header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
      Refuse("it is not an ELF file");
    }
    if (header->e_ident[EI_CLASS] != kClass || header->e_machine != kMachine) {
      Refuse(std::string("it was compiled for another machine; this one is ") + kMachineName);
    }
    if (header->e_type != ET_DYN ||
        header->e_phoff + header->e_phnum * sizeof(Segment) > file.size()) {
      Refuse("it is not a shared library; link it with -shared");
    }
#ifdef __ARM_PCS_VFP
    // It would load, and compute rubbish: floats would be passed in the wrong registers.
    if ((header->e_flags & EF_ARM_ABI_FLOAT_SOFT) != 0) {
      Refuse("it is soft-float code; add \"mfloat-abi\": \"hard\" to the TVM target");
    }
#endif
    return header;
  }

  static bool IsLoad(const Segment& segment) { return segment.p_type == PT_LOAD; }
  static size_t PageDown(size_t address) { return address & ~(kPage - 1); }
  static size_t PageUp(size_t address) { return PageDown(address + kPage - 1); }

  // Copies the segments into fresh memory; returns the dynamic section there.
  const Dynamic* Map(const std::string& file, const Segment* segments, int count) {
    size_t end = 0;
    const Segment* dynamic = nullptr;
    for (const Segment* each = segments; each != segments + count; ++each) {
      if (each->p_type == PT_TLS) Refuse("it has thread-local data");
      if (each->p_type == PT_DYNAMIC) dynamic = each;
      if (!IsLoad(*each)) continue;
      if (each->p_offset + each->p_filesz > file.size() || each->p_filesz > each->p_memsz) {
        Refuse("the file is cut short");
      }
      end = std::max<size_t>(end, PageUp(each->p_vaddr + each->p_memsz));
    }
    if (dynamic == nullptr || end == 0) Refuse("it is not a shared library; link it with -shared");
    mapped_bytes_ = end + kLoadAlignment;
    mapping_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    if (mapping_ == MAP_FAILED) Refuse("the board is out of memory");
    const uintptr_t start = reinterpret_cast<uintptr_t>(mapping_);
    base_ = reinterpret_cast<char*>((start + kLoadAlignment - 1) & ~(kLoadAlignment - 1));
    size_ = end;
    for (const Segment* each = segments; each != segments + count; ++each) {
      if (IsLoad(*each)) {
        memcpy(base_ + each->p_vaddr, file.data() + each->p_offset, each->p_filesz);
      }
    }
    return reinterpret_cast<const Dynamic*>(base_ + dynamic->p_vaddr);
  }

  void ReadDynamic(const Dynamic* dynamic) {
    size_t rel = 0, rel_bytes = 0, rela = 0, rela_bytes = 0, plt = 0, plt_bytes = 0;
    bool plt_has_addends = false;
    for (; dynamic->d_tag != DT_NULL; ++dynamic) {
      const size_t value = dynamic->d_un.d_val;
      switch (dynamic->d_tag) {
        case DT_SYMTAB: symbols_.symbols = reinterpret_cast<ElfSymbol*>(base_ + value); break;
        case DT_STRTAB: symbols_.strings = base_ + value; break;
        case DT_HASH: symbols_.sysv = reinterpret_cast<uint32_t*>(base_ + value); break;
        case DT_GNU_HASH: symbols_.gnu = reinterpret_cast<uint32_t*>(base_ + value); break;
        case DT_REL: rel = value; break;
        case DT_RELSZ: rel_bytes = value; break;
        case DT_RELA: rela = value; break;
        case DT_RELASZ: rela_bytes = value; break;
        case DT_JMPREL: plt = value; break;
        case DT_PLTRELSZ: plt_bytes = value; break;
        case DT_PLTREL: plt_has_addends = value == DT_RELA; break;
        default: break;
      }
    }
    if (symbols_.symbols == nullptr || symbols_.strings == nullptr) Refuse("no symbol table");
    Relocate<Rel>(rel, rel_bytes);
    Relocate<Rela>(rela, rela_bytes);
    if (plt_has_addends) {
      Relocate<Rela>(plt, plt_bytes);
    } else {
      Relocate<Rel>(plt, plt_bytes);
    }
  }

  // The addend is in the entry (Rela) or where the result goes (Rel; none for GOT entries).
  static uintptr_t Addend(const Rela& entry, uintptr_t, bool) {
    return static_cast<uintptr_t>(entry.r_addend);
  }
  static uintptr_t Addend(const Rel&, uintptr_t in_place, bool is_got) {
    return is_got ? 0 : in_place;
  }

  template <typename Entry>
  void Relocate(size_t table, size_t bytes) {
    const auto* entries = reinterpret_cast<const Entry*>(base_ + table);
    for (const Entry* each = entries; each != entries + bytes / sizeof(Entry); ++each) {
      auto* place = reinterpret_cast<uintptr_t*>(base_ + each->r_offset);
      const unsigned type = RelocationType(each->r_info);
      const bool is_got = type == kGlobalData || type == kJumpSlot;
      const uintptr_t addend = Addend(*each, *place, is_got);
      if (type == kNothing) continue;
      if (type == kRelative) {
        *place = reinterpret_cast<uintptr_t>(base_) + addend;
      } else if (is_got || type == kAbsolute) {
        *place = SymbolValue(symbols_.symbols[SymbolIndex(each->r_info)]) + addend;
      } else {
        Refuse("relocation type " + std::to_string(type) + " is not supported");
      }
    }
  }

  uintptr_t SymbolValue(const ElfSymbol& symbol) const {
    if (symbol.st_shndx != SHN_UNDEF) return reinterpret_cast<uintptr_t>(base_) + symbol.st_value;
    const char* name = symbols_.strings + symbol.st_name;
    void* address = FindServerSymbol(name);
    if (address == nullptr && ELF32_ST_BIND(symbol.st_info) != STB_WEAK) {
      Refuse(std::string("it needs the symbol ") + name + ", which this server does not have");
    }
    return reinterpret_cast<uintptr_t>(address);
  }

  void Protect(const Segment* segments, int count) {
    for (const Segment* each = segments; each != segments + count; ++each) {
      if (!IsLoad(*each)) continue;
      const size_t start = PageDown(each->p_vaddr), end = PageUp(each->p_vaddr + each->p_memsz);
      const int access = ((each->p_flags & PF_R) ? PROT_READ : 0) |
                         ((each->p_flags & PF_W) ? PROT_WRITE : 0) |
                         ((each->p_flags & PF_X) ? PROT_EXEC : 0);
      mprotect(base_ + start, end - start, access);
    }
  }

  std::string path_;
  void* mapping_{MAP_FAILED};
  size_t mapped_bytes_{0}, size_{0};
  char* base_{nullptr};
  SymbolTable symbols_{};
};

// Which modules hold machine code of ours: TVM's own class for them is hidden in a .cc file.
std::unordered_map<const ffi::ModuleObj*, ElfLibrary*>& Libraries() {
  static auto* libraries = new std::unordered_map<const ffi::ModuleObj*, ElfLibrary*>();
  return *libraries;
}

ElfLibrary::~ElfLibrary() {
  auto& libraries = Libraries();
  for (auto each = libraries.begin(); each != libraries.end();) {
    each = each->second == this ? libraries.erase(each) : std::next(each);
  }
  if (mapping_ != MAP_FAILED) munmap(mapping_, mapped_bytes_);
}

ffi::Module Load(ffi::String path, ffi::String) {
  auto library = ffi::make_object<ElfLibrary>(std::string(path));
  ElfLibrary* plain = library.get();
  ffi::Module module = ffi::CreateLibraryModule(std::move(library));
  if (std::string(module->kind()) == "library") Libraries()[module.get()] = plain;
  return module;
}

}  // namespace

void InstallElfLoader() {
  ffi::Function::SetGlobal("ffi.Module.load_from_file.so", ffi::Function::FromTyped(Load), true);
}

void OnLibraryLoaded(LibraryHook hook) { library_hook = hook; }

TVMFFISafeCallType KernelEntry(const ffi::Module& module, const std::string& name) {
  const auto found = Libraries().find(module.get());
  if (found == Libraries().end()) return nullptr;
  return reinterpret_cast<TVMFFISafeCallType>(found->second->GetSymbolWithSymbolPrefix(name));
}

}  // namespace server
