// Package protocol holds what a measuring process and its child exchange: the
// job, the child's result or error, and the messages on its stdout. It must not
// know how anything is measured.
package protocol
