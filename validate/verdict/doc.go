// Package verdict holds the gate's result and its file: for each check of each
// provider × variant a result, a measured value and a threshold. It must not
// know how a check decides.
package verdict
