package measure

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/validate/evidence"
)

// samplesOf is how many samples of each point launch takes, counted from 1:
// equal shares, the first launches taking what does not divide.
func samplesOf(p evidence.Plan, launch int) int {
	n := p.Samples / p.Launches
	if launch <= p.Samples%p.Launches {
		n++
	}
	return n
}

// orderOf is the order of the points in a launch, less those that it leaves to
// earlier ones.
func orderOf(p evidence.Plan, launch int) []evidence.LatencyPoint {
	return slices.DeleteFunc(rotated(p.Points, launch), func(pt evidence.LatencyPoint) bool {
		return slices.Contains(p.Brief, pt) && launch > p.LaunchesAt(pt)
	})
}

// rotated turns points by one for each launch or round after the first, so that
// no point is always measured on the coldest or the hottest machine.
func rotated(points []evidence.LatencyPoint, launch int) []evidence.LatencyPoint {
	if len(points) == 0 {
		return nil
	}
	k := (launch - 1) % len(points)
	return slices.Concat(points[k:], points[:k])
}

// names are a map's keys in order, for messages.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
