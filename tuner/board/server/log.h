// One line on stderr per event: what a person who watches the server needs to see.
#pragma once

namespace server {

void SetSilent(bool silent);
void Log(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace server
