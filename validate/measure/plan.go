package measure

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/validate"
)

// samplesOf is how many samples of each point launch takes, counted from 1:
// equal shares, the first launches taking what does not divide.
func samplesOf(p validate.Plan, launch int) int {
	n := p.Samples / p.Launches
	if launch <= p.Samples%p.Launches {
		n++
	}
	return n
}

// orderOf is the order of the points in a launch, less those that it leaves to
// earlier ones.
func orderOf(p validate.Plan, launch int) []validate.LatencyPoint {
	return slices.DeleteFunc(rotated(p.Points, launch), func(pt validate.LatencyPoint) bool {
		return slices.Contains(p.Brief, pt) && launch > p.LaunchesAt(pt)
	})
}

// rotated turns points by one for each launch or round after the first, so that
// no point is always measured on the coldest or the hottest machine.
func rotated(points []validate.LatencyPoint, launch int) []validate.LatencyPoint {
	if len(points) == 0 {
		return nil
	}
	k := (launch - 1) % len(points)
	return slices.Concat(points[k:], points[:k])
}

// names are a map's keys in order, for messages.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
