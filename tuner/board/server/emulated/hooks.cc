#include "hooks.h"

namespace server {

void InstallEmulatedHooks() {
  InstallDataArena();  // first: TVM remembers the first device API it meets
  InstallModelTimer();
  InstallTimeEvaluator();
  InstallSequentialTasks();
  InstallCodeHook();
}

}  // namespace server
