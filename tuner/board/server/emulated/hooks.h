// What differs on the emulated board: time is model time, cores take turns, addresses are canonical.
#pragma once

namespace server {

void InstallEmulatedHooks();  // all of the below

void InstallModelTimer();      // timer.cc
void InstallTimeEvaluator();   // time_evaluator.cc
void InstallSequentialTasks(); // parallel.cc
void InstallDataArena();       // arena.cc
void InstallCodeHook();        // code.cc

}  // namespace server
