// Package gate judges evidence against golden vectors and policy, check by
// check. In every run it also gives each check known-bad evidence, to prove
// that the check refuses it.
//
// The gate and every check are pure: functions of their input, without clock,
// file, network or environment. They recompute every number from the raw
// evidence. The package must not know how anything is exported, measured,
// printed or published.
package gate
