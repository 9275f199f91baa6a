package publish

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/publish/storetest"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestAReleaseHoldsEverythingAndNothingElse(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	require.Equal(t, tinyName, filepath.Base(dir))
	require.Equal(t, []string{
		"candidate.json", "evidence/cpu-fp32/evidence.json", "evidence/cpu-fp32/vectors.safetensors",
		"golden/golden.json", "golden/golden.safetensors", "golden/texts.jsonl",
		"model/1_Pooling/config.json", "model/candidate.json", "model/fp32.onnx", "model/tokenizer.json",
		"policy.yaml", "release.json", "verdict.json",
	}, names(t, dir))
	b, err := os.ReadFile(filepath.Join(dir, ManifestName))
	require.NoError(t, err)
	m, err := parseManifest(b)
	require.NoError(t, err)
	require.Equal(t, "local", m.Channel)
	require.Equal(t, "1.0.0", m.Version)
	i, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), i.Mode().Perm(), "others may read it")
}

func TestPublishingTwiceGivesTheSameBytes(t *testing.T) {
	f := newFixture(t)
	require.Equal(t, tree(t, f.publish(t)), tree(t, f.publish(t)))
}

func TestADirTargetMayBeWrittenWithItsKind(t *testing.T) {
	f := newFixture(t)
	dist := filepath.Join(t.TempDir(), "a", "b", "dist")
	r, err := Publish(t.Context(), f.options(t, "dir:"+dist))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dist, tinyName), r.Dir)
	_, err = verify(t.Context(), "dir:"+r.Dir)
	require.NoError(t, err)
}

func TestAReleaseGoesToAnyStore(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	other.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
	other.reseal(t)
	to := storetest.NewMemory()
	r, err := f.options(t, "").publishTo(t.Context(), to)
	require.NoError(t, err)
	require.False(t, r.Existed)
	require.Equal(t, "memory:"+tinyName, r.Dir)
	folder, err := to.Open(t.Context(), tinyName)
	require.NoError(t, err)
	defer func() { assert.NoError(t, folder.Close()) }()
	require.Equal(t, tree(t, f.publish(t)), tree(t, folder.Dir))

	r, err = f.options(t, "").publishTo(t.Context(), to)
	require.NoError(t, err)
	require.True(t, r.Existed)
	_, err = other.options(t, "").publishTo(t.Context(), to)
	require.ErrorContains(t, err, "memory:"+tinyName+": got other content under this version")
}

func TestAVersionThatIsOutIsNeverChanged(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	target := filepath.Dir(dir)
	again := func(f *fixture) (Result, error) {
		before := tree(t, target)
		i, err := os.Stat(target)
		require.NoError(t, err)
		r, err := Publish(t.Context(), f.options(t, target))
		require.Equal(t, before, tree(t, target))
		after, e := os.Stat(target)
		require.NoError(t, e)
		require.Equal(t, i.ModTime(), after.ModTime(), "nothing was made there, not even for a moment")
		return r, err
	}
	refused := func(t *testing.T, err error, want ...string) {
		require.Equal(t, fault.Usage, fault.KindOf(err), "%v", err)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}

	t.Run("the same again succeeds and says so", func(t *testing.T) {
		r, err := again(&f)
		require.NoError(t, err)
		require.True(t, r.Existed)
		require.Equal(t, dir, r.Dir)
	})
	t.Run("measured anew, the content is still the same", func(t *testing.T) {
		f.measure(t, "cpu", func(e *evidence.Evidence) { e.Latency[0].SamplesNS[3]++ })
		f.judge(t)
		r, err := again(&f)
		require.NoError(t, err)
		require.True(t, r.Existed)
	})
	t.Run("another model is refused", func(t *testing.T) {
		g := newFixture(t)
		g.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
		g.reseal(t)
		_, err := again(&g)
		refused(t, err, "raise release.version", "model/fp32.onnx")
	})
	t.Run("another policy is refused", func(t *testing.T) {
		g := newFixture(t)
		g.write(t, "policy.yaml", []byte(strings.Replace(string(g.Raw), "max_abs: 5e-6, norm", "max_abs: 4e-6, norm", 1)))
		g.reload(t)
		g.measure(t, "cpu")
		g.judge(t)
		_, err := again(&g)
		refused(t, err, "raise release.version", "differs: policy.yaml")
	})
	t.Run("another channel is refused", func(t *testing.T) {
		g := newFixture(t)
		g.measure(t, "cuda")
		require.Equal(t, verdict.Pass, g.judgeFor(t, "release").Result)
		before := tree(t, target)
		o := g.options(t, target)
		o.Channel = "release"
		_, err := Publish(t.Context(), o)
		require.Equal(t, before, tree(t, target))
		refused(t, err, "channel local", "channel release", "raise release.version")
	})
	t.Run("a damaged one is refused and stays", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "model", "tokenizer.json"), nil, 0o644))
		_, err := again(&f)
		refused(t, err, "damaged", "embedgate verify", "tokenizer.json")
	})
	t.Run("a directory that is no release is refused and stays", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(dir, ManifestName)))
		_, err := again(&f)
		refused(t, err, "damaged", "release.json is missing")
	})
	t.Run("a raised version goes beside it", func(t *testing.T) {
		g := newFixture(t)
		g.makePolicy(t, "1.0.1")
		g.measure(t, "cpu")
		g.judge(t)
		r, err := Publish(t.Context(), g.options(t, target))
		require.NoError(t, err)
		require.False(t, r.Existed)
		require.Equal(t, "tiny-1.0.1", filepath.Base(r.Dir))
	})
}

func TestOnlyWhatWasJudgedAndPassedIsPublished(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *fixture, o *Options)
		kind  fault.Kind
		want  string
	}{
		"a FAIL": {func(t *testing.T, f *fixture, _ *Options) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Raw.Primary[5] += 1e-2 })
			require.Equal(t, verdict.Fail, f.judge(t).Result)
		}, fault.Refused, "got FAIL, wanted PASS"},
		"an INCONCLUSIVE": {func(t *testing.T, f *fixture, _ *Options) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Latency[0].CalibrationNS = nil })
			require.Equal(t, verdict.Inconclusive, f.judge(t).Result)
		}, fault.Unsure, "got INCONCLUSIVE, wanted PASS"},
		"a required provider that was not measured": {func(t *testing.T, f *fixture, _ *Options) {
			require.Equal(t, verdict.Fail, f.judgeFor(t, "release").Result)
		}, fault.Refused, "got FAIL"},
		"somebody else's export": {func(t *testing.T, f *fixture, _ *Options) {
			f.editVerdict(t, func(v *verdict.Verdict) { v.Foreign = true })
		}, fault.Refused, "somebody else's export"},
		"a FAIL that was edited into a PASS": {func(t *testing.T, f *fixture, _ *Options) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Raw.Primary[5] += 1e-2 })
			f.judge(t)
			f.editVerdict(t, func(v *verdict.Verdict) { v.Result, v.Rows[0].Result, v.Missing = verdict.Pass, verdict.Pass, nil })
		}, fault.Usage, "differs from judging the same evidence again"},
		"a PASS with a nicer number": {func(t *testing.T, f *fixture, _ *Options) {
			f.editVerdict(t, func(v *verdict.Verdict) { v.Rows[0].Latency[0].P95NS /= 2 })
		}, fault.Usage, "differs from judging"},
		"a verdict with an unknown key": {func(t *testing.T, f *fixture, _ *Options) {
			f.write(t, "verdict.json", []byte(`{"schema":1,"resutl":"PASS"}`))
		}, fault.Usage, "resutl"},
		"no verdict": {func(t *testing.T, f *fixture, o *Options) { o.VerdictFile += "x" }, fault.Usage, "verdict.jsonx"},
		"evidence that was measured again after the verdict": {func(t *testing.T, f *fixture, _ *Options) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Latency[0].SamplesNS[0]-- })
		}, fault.Usage, "differs from judging"},
		"evidence of another candidate": {func(t *testing.T, f *fixture, _ *Options) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Candidate = strings.Repeat("a", 64) })
		}, fault.Usage, "differs from judging"},
		"vectors that were swapped": {func(t *testing.T, f *fixture, _ *Options) {
			f.write(t, "evidence/cpu/"+evidence.VectorsName, []byte("others"))
		}, fault.Usage, "vectors.safetensors"},
		"evidence left out": {func(_ *testing.T, _ *fixture, o *Options) { o.EvidenceDirs = nil }, fault.Usage, "differs from judging"},
		"evidence given twice": {func(_ *testing.T, f *fixture, o *Options) {
			o.EvidenceDirs = append(o.EvidenceDirs, f.at("evidence", "cpu"))
		}, fault.Usage, "a second piece of evidence of cpu × fp32"},
		"evidence added after the verdict": {func(t *testing.T, f *fixture, o *Options) {
			f.measure(t, "cuda")
			o.EvidenceDirs = f.evidence(t)
		}, fault.Usage, "differs from judging"},
		"evidence of a provider whose name is a path": {func(t *testing.T, f *fixture, o *Options) {
			f.measure(t, "cuda", func(e *evidence.Evidence) { e.Provider = "../../out" })
			require.Equal(t, verdict.Pass, f.judge(t).Result, "it is not required")
			o.EvidenceDirs = f.evidence(t)
		}, fault.Usage, "wanted a path inside the release"},
		"a candidate that was exported again after the verdict": {func(t *testing.T, f *fixture, _ *Options) {
			f.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
			_, err := candidate.Seal(f.at("candidate"), f.Manifest)
			require.NoError(t, err)
		}, fault.Usage, "which was judged"},
		"a candidate with one byte flipped": {func(t *testing.T, f *fixture, _ *Options) {
			f.flip(t, "candidate/fp32.onnx", 100, 1)
		}, fault.Usage, "fp32.onnx"},
		"a candidate with a file more": {func(t *testing.T, f *fixture, _ *Options) {
			f.write(t, "candidate/extra.bin", nil)
		}, fault.Usage, "extra.bin"},
		"no candidate": {func(_ *testing.T, _ *fixture, o *Options) { o.CandidateDir += "x" }, fault.Usage, "candidatex"},
		"another policy": {func(t *testing.T, f *fixture, o *Options) {
			f.makePolicy(t, "1.0.1")
			o.Policy = f.Policy
		}, fault.Usage, "policy: got sha256"},
		"another golden": {func(_ *testing.T, _ *fixture, o *Options) {
			o.Golden.Files = map[string][]byte{golden.ManifestName: []byte("{}")}
		}, fault.Usage, "golden: got sha256"},
		"golden texts that its manifest does not name": {func(_ *testing.T, f *fixture, o *Options) {
			o.Golden.Files = map[string][]byte{}
			for name, b := range f.Set.Files {
				o.Golden.Files[name] = b
			}
			o.Golden.Files[golden.TextsName] = []byte("{}\n")
		}, fault.Usage, "texts.jsonl"},
		"a golden with a file more": {func(_ *testing.T, f *fixture, o *Options) {
			o.Golden.Files = map[string][]byte{"run.sh": nil}
			for name, b := range f.Set.Files {
				o.Golden.Files[name] = b
			}
		}, fault.Usage, "no place in a release"},
		"a target of a kind that is not known": {func(_ *testing.T, _ *fixture, o *Options) { o.Target = "oci:registry/x" }, fault.Usage, "the kind oci"},
		"no target":                            {func(_ *testing.T, _ *fixture, o *Options) { o.Target = "" }, fault.Usage, "--to"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			target := filepath.Join(t.TempDir(), "dist")
			require.NoError(t, os.Mkdir(target, 0o755))
			o := f.options(t, target)
			c.spoil(t, &f, &o)
			_, err := Publish(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Empty(t, names(t, target), "the target is as it was")
		})
	}
}

func TestThePoliciesBytesDecideAndNotWhatBecameOfThemInMemory(t *testing.T) {
	f := newFixture(t)
	o := f.options(t, filepath.Join(t.TempDir(), "dist"))
	o.Policy.Release.Version = "9.9.9"
	r, err := Publish(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, tinyName, filepath.Base(r.Dir))
}

func TestAFileThatChangesWhileItIsPublishedIsRefused(t *testing.T) {
	change := func(how func(path string) error) func(f *fixture, name string) error {
		return func(f *fixture, name string) error { return how(f.at(filepath.FromSlash(name))) }
	}
	for name, c := range map[string]struct {
		how  func(f *fixture, name string) error
		want string
	}{
		"swapped": {change(func(p string) error {
			b, err := os.ReadFile(p)
			b[len(b)/2] ^= 4
			return firstError(err, os.WriteFile(p, b, 0o644))
		}), "which was judged"},
		"grown": {change(func(p string) error {
			b, err := os.ReadFile(p)
			return firstError(err, os.WriteFile(p, append(b, 0), 0o644))
		}), "which was judged"},
		"cut short": {change(func(p string) error { return os.Truncate(p, 3) }), "which was judged"},
		"removed":   {change(os.Remove), "no such file"},
	} {
		for _, file := range [][2]string{
			{"candidate/fp32.onnx", "model/fp32.onnx"}, {"candidate/candidate.json", "candidate.json"},
			{"evidence/cpu/evidence.json", "evidence/cpu-fp32/evidence.json"}, {"evidence/cpu/vectors.safetensors", "evidence/cpu-fp32/vectors.safetensors"},
		} {
			t.Run(file[1]+" "+name, func(t *testing.T) {
				f := newFixture(t)
				target := filepath.Join(t.TempDir(), "dist")
				o := f.options(t, target)
				o.step = func(s string) {
					if s == "file "+file[1] {
						assert.NoError(t, c.how(&f, file[0]))
					}
				}
				_, err := Publish(t.Context(), o)
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, filepath.FromSlash(file[0]))
				require.Equal(t, fault.Usage, fault.KindOf(err))
				require.Empty(t, names(t, target))
			})
		}
	}
}

// firstError returns the first error.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestACancelledPublishLeavesNothing(t *testing.T) {
	f := newFixture(t)
	for _, at := range []string{"target", "locked", "file model/fp32.onnx", "file " + ManifestName, "check"} {
		target := filepath.Join(t.TempDir(), "dist")
		ctx, cancel := context.WithCancel(t.Context())
		o := f.options(t, target)
		o.step = func(s string) {
			if s == at {
				cancel()
			}
		}
		_, err := Publish(ctx, o)
		require.ErrorIs(t, err, context.Canceled, at)
		require.Empty(t, names(t, target), at)
	}
}

func TestATargetThatCannotBeWrittenIsAnError(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(t.TempDir(), "dist")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, target := range []string{file, filepath.Join(file, "below")} {
		_, err := Publish(t.Context(), f.options(t, target))
		require.Equal(t, fault.Missing, fault.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "--to")
	}
}

func TestAReleaseThatAppearsMeanwhileIsAccepted(t *testing.T) {
	// Another machine, which does not share the lock, takes the name while
	// this one writes.
	f := newFixture(t)
	other := f.publish(t)
	target := filepath.Join(t.TempDir(), "dist")
	o := f.options(t, target)
	o.step = func(s string) {
		if s == "rename" {
			assert.NoError(t, os.CopyFS(filepath.Join(target, tinyName), os.DirFS(other)))
		}
	}
	r, err := Publish(t.Context(), o)
	require.NoError(t, err)
	require.True(t, r.Existed)
	require.Equal(t, tree(t, other), tree(t, r.Dir))
	entries, err := os.ReadDir(target)
	require.NoError(t, err)
	require.Len(t, entries, 2, "the release and the lock: %v", entries)
}

func FuzzManifest(f *testing.F) {
	x := newFixture(f)
	b, err := os.ReadFile(filepath.Join(x.publish(f), ManifestName))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"schema":1}`))
	f.Add([]byte("{\"files\":{\"../x\":{}},\"schema\":1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		again, err := json.MarshalIndent(m, "", "  ")
		require.NoError(t, err)
		require.Equal(t, string(b), string(again)+"\n")
		for name := range m.Files {
			require.True(t, filepath.IsLocal(name))
		}
	})
}
