package evidence

// InvarianceRuns is every way in which golden texts must have been run again; each is
// the name of an InvarianceRun. batch-32 runs all of them, the others at least
// companyTexts different ones (or half of the texts, where they are fewer).
func InvarianceRuns() []string { return []string{"batch-32", "padded", "position", "concurrent"} }
