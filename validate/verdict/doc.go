// Package verdict is the gate's answer and its file: a result, a measured value
// and a threshold for each check of each provider × variant. It must not know
// how a check decides.
package verdict
