// Package text writes counts and foreign words in messages. It must not know
// what they are about.
package text
