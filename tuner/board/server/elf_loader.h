// Loads kernel libraries without dlopen, so that one static server runs on every board.
#pragma once
#include <tvm/ffi/extra/module.h>

#include <string>

namespace server {

// Takes over ffi.Module's loader of .so files.
void InstallElfLoader();

// To be called with each library before it runs, while its code can be written: the file, and where
// it was loaded.
using LibraryHook = void (*)(const std::string& file, char* base, size_t bytes);
void OnLibraryLoaded(LibraryHook hook);

// Entry point of a kernel of a loaded library; nullptr if `module` holds no machine code itself.
TVMFFISafeCallType KernelEntry(const tvm::ffi::Module& module, const std::string& name);

// What kernels may call in the server (elf_symbols.cc); nullptr if there is no such function.
void* FindServerSymbol(const std::string& name);
void ReplaceServerSymbol(const std::string& name, void* address);

}  // namespace server
