#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

namespace server {
namespace {
bool silent_mode = false;
}  // namespace

void SetSilent(bool silent) { silent_mode = silent; }

void Log(const char* format, ...) {
  if (silent_mode) return;
  // Built in one buffer and written at once, so that lines of two sessions never mix.
  char line[1024];
  const time_t now = time(nullptr);
  struct tm local;
  size_t used = strftime(line, sizeof line, "%H:%M:%S ", localtime_r(&now, &local));
  va_list arguments;
  va_start(arguments, format);
  const int wanted = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
  va_end(arguments);
  if (wanted > 0) used += static_cast<size_t>(wanted);
  if (used > sizeof line - 2) used = sizeof line - 2;
  line[used++] = '\n';
  if (write(STDERR_FILENO, line, used) < 0) return;  // nobody reads our log: nothing to do about it
}

}  // namespace server
