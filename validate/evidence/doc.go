// Package evidence holds the result of a measurement: the plan that it follows,
// the raw numbers, the vectors, and the files that store them. It reads these
// files as hostile input. It must not know how they are measured or judged.
package evidence
