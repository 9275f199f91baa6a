package stats

// SignTest tests whether one side is better: it won some of the rounds, and by
// chance alone it would win each with probability ½. It is Within
// when P(Bin(rounds, ½) ≥ won) ≤ 1−confidence, Over when that holds for the
// rounds lost, and Unsure otherwise. p is the smaller of both probabilities.
func SignTest(won, rounds int, confidence float64) (a Answer, p float64) {
	if won < 0 || won > rounds {
		return Unsure, 1
	}
	alpha := 1 - confidence
	better, worse := binomialGE(won, rounds, 0.5), binomialGE(rounds-won, rounds, 0.5)
	p = min(better, worse)
	switch {
	case atMost(better, alpha):
		a = Within
	case atMost(worse, alpha):
		a = Over
	}
	return a, p
}
