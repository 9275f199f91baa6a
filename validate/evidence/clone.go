package evidence

import "slices"

// CloneMeasured copies all that a known-bad case may change, except the vectors
// and ids.
func CloneMeasured(e Evidence) Evidence {
	e.Latency = slices.Clone(e.Latency)
	for i := range e.Latency {
		e.Latency[i].SamplesNS = slices.Clone(e.Latency[i].SamplesNS)
		e.Latency[i].CalibrationNS = slices.Clone(e.Latency[i].CalibrationNS)
	}
	e.Cold, e.Memory = slices.Clone(e.Cold), slices.Clone(e.Memory)
	e.Placement, e.Pairs, e.Planned = slices.Clone(e.Placement), slices.Clone(e.Pairs), slices.Clone(e.Planned)
	for i := range e.Placement {
		r := &e.Placement[i]
		r.Assigned, r.Events = slices.Clone(r.Assigned), slices.Clone(r.Events)
		for k := range r.Assigned {
			r.Assigned[k].Nodes = slices.Clone(r.Assigned[k].Nodes)
		}
	}
	for i := range e.Pairs {
		e.Pairs[i].SamplesNS = slices.Clone(e.Pairs[i].SamplesNS)
	}
	return e
}

// CloneRaw copies vectors and ids.
func CloneRaw(v Vectors) Vectors {
	v.Primary = slices.Clone(v.Primary)
	v.IDs = slices.Clone(v.IDs)
	for i := range v.IDs {
		v.IDs[i] = slices.Clone(v.IDs[i])
	}
	v.Invariance = slices.Clone(v.Invariance)
	for i := range v.Invariance {
		v.Invariance[i].Vecs = slices.Clone(v.Invariance[i].Vecs)
		v.Invariance[i].Rows = slices.Clone(v.Invariance[i].Rows)
	}
	return v
}
