// Package simulate plays the whole system against chance: replicas of the gateway on one database, the sandbox of the
// provider, an app with its webhooks, payers, clocks and the network between them, in one process.
//
// A seed makes a [Script]: steps of operations and faults, made before anything runs and without looking at what comes
// of it. The script is played, everything heals, time moves on until all is quiet, and then the books of everybody are
// held against each other. What does not fit is a [Violation], with its evidence.
//
// The seed and the commit fix the script, the sandbox's chances and the clock, which only moves when the script moves it.
// They do not fix which of two operations of one step Go runs first, the ids, nonces and keys, nor how long a call takes;
// see docs/simulation.md.
package simulate
