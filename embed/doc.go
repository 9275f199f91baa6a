// Package embed embeds texts with the model of a release, in the way in which
// the release proved it: with the variant that its selection names for the
// provider, and with the options that its policy gives. It checks the digest of
// every file before it opens one.
//
// A provider that was chosen is used or is an error: the package never takes
// another one in silence. It must not know how a release was made or judged.
package embed
