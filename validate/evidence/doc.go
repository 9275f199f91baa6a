// Package evidence is what a measurement leaves: the plan that it follows, the
// raw numbers, the vectors, and the files that hold them. It reads them as
// hostile input. It must not know how they are measured or judged.
package evidence
