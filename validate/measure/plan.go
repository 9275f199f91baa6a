package measure

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/validate/evidence"
)

// samplesOf returns how many samples of each point a launch takes, counted from
// 1: equal shares, with the remainder in the first launches.
func samplesOf(p evidence.Plan, launch int) int {
	n := p.Samples / p.Launches
	if launch <= p.Samples%p.Launches {
		n++
	}
	return n
}

// orderOf returns the points of a launch in their order, without those that only
// earlier launches measure.
func orderOf(p evidence.Plan, launch int) []evidence.LatencyPoint {
	return slices.DeleteFunc(rotated(p.Points, launch), func(pt evidence.LatencyPoint) bool {
		return slices.Contains(p.Brief, pt) && launch > p.LaunchesAt(pt)
	})
}

// rotated rotates points by one for each launch or round after the first, so
// that no point is always measured on the coldest or the hottest machine.
func rotated(points []evidence.LatencyPoint, launch int) []evidence.LatencyPoint {
	if len(points) == 0 {
		return nil
	}
	k := (launch - 1) % len(points)
	return slices.Concat(points[k:], points[:k])
}

// names returns a map's keys in order, for messages.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
