package evidence

// InvarianceRuns returns the name of each InvarianceRun that must be there.
// batch-32 has all texts. The others have at least 16 different ones, or half of
// the texts where there are fewer than 32.
func InvarianceRuns() []string { return []string{"batch-32", "padded", "position", "concurrent"} }
