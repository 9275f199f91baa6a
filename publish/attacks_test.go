package publish

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Each test here is an attack that once worked, or one like it.

func manifestOf(t testing.TB, dir string) Manifest {
	b, err := os.ReadFile(filepath.Join(dir, ManifestName))
	require.NoError(t, err)
	m, err := parseManifest(b)
	require.NoError(t, err)
	return m
}

func TestAReleaseHoldsTheModelFilesThatPassedAndNoOther(t *testing.T) {
	cpu, cuda, webgpu := Run{"cpu", "fp32"}, Run{"cuda", "fp32"}, Run{"webgpu", "fp16"}
	wrong := func(e *evidence.Evidence) { e.Raw.Primary[5] += 1e-1 }
	for name, c := range map[string]struct {
		measure func(t *testing.T, f *fixture)
		want    map[string][]Run
	}{
		"a file that nobody measured": {func(*testing.T, *fixture) {}, map[string][]Run{"model/fp32.onnx": {cpu}}},
		"a file that failed":          {func(t *testing.T, f *fixture) { f.measure(t, "webgpu", wrong) }, map[string][]Run{"model/fp32.onnx": {cpu}}},
		"a file that passed":          {func(t *testing.T, f *fixture) { f.measure(t, "webgpu") }, map[string][]Run{"model/fp16.onnx": {webgpu}, "model/fp32.onnx": {cpu}}},
		"one file in two places":      {func(t *testing.T, f *fixture) { f.measure(t, "cuda") }, map[string][]Run{"model/fp32.onnx": {cpu, cuda}}},
		"one place of two":            {func(t *testing.T, f *fixture) { f.measure(t, "cuda", wrong) }, map[string][]Run{"model/fp32.onnx": {cpu}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c.measure(t, &f)
			require.Equal(t, verdict.Pass, f.judge(t).Result)
			dir := f.publish(t)
			assert.Equal(t, c.want, manifestOf(t, dir).Proven)
			var models []string
			for _, n := range names(t, dir) {
				if filepath.Ext(n) == ".onnx" {
					models = append(models, n)
				}
			}
			assert.Len(t, models, len(c.want))
			for _, m := range models {
				assert.Contains(t, c.want, m)
			}
			r, err := verify(t.Context(), dir)
			require.NoError(t, err)
			_, err = candidate.Read(filepath.Join(dir, ModelDir))
			require.NoError(t, err, "what is shipped is a whole candidate")
			assert.Len(t, r.Candidate.Manifest.Variants, len(c.want))
		})
	}
}

// putModel makes the release's model folder hold these variants of the fixture.
func putModel(t testing.TB, f *fixture, dir string, variants ...string) {
	model := filepath.Join(dir, ModelDir)
	require.NoError(t, os.RemoveAll(model))
	require.NoError(t, os.CopyFS(model, os.DirFS(f.at("candidate"))))
	m := f.Manifest.Cut(func(v string) bool {
		for _, have := range variants {
			if v == have {
				return true
			}
		}
		return false
	})
	for n, v := range f.Manifest.Variants {
		if _, ok := m.Variants[n]; !ok {
			require.NoError(t, os.Remove(filepath.Join(model, v.File)))
		}
	}
	b, err := m.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(model, candidate.ManifestName), b, 0o644))
}

func TestAModelFileWithoutAPassIsRefusedInARelease(t *testing.T) {
	f := newFixture(t)
	f.measure(t, "webgpu", func(e *evidence.Evidence) { e.Raw.Primary[5] += 1e-1 })
	f.judge(t)
	fresh := func(t *testing.T) string { return f.publish(t) }

	t.Run("added, and honestly so", func(t *testing.T) {
		dir := fresh(t)
		putModel(t, &f, dir, "fp32", "fp16")
		forge(t, dir, nil)
		require.Contains(t, damaged(t, dir), "verdict: got model/fp16.onnx, which passed on no provider")
	})
	t.Run("said to have passed", func(t *testing.T) {
		dir := fresh(t)
		putModel(t, &f, dir, "fp32", "fp16")
		path := filepath.Join(dir, VerdictName)
		v, err := verdict.Read(path)
		require.NoError(t, err)
		for i := range v.Rows {
			if v.Rows[i].Variant == "fp16" {
				v.Rows[i].Result = verdict.Pass
			}
		}
		require.NoError(t, verdict.Write(path, v))
		forge(t, dir, nil)
		require.Contains(t, damaged(t, dir), "gate, asked again")
	})
	t.Run("said to have passed elsewhere", func(t *testing.T) {
		dir := fresh(t)
		forge(t, dir, func(m *Manifest) {
			m.Proven["model/fp32.onnx"] = append(m.Proven["model/fp32.onnx"], Run{"coreml", "fp32"})
		})
		require.Contains(t, damaged(t, dir), "got other places in release.json where model files passed")
	})
	t.Run("left out, though it passed", func(t *testing.T) {
		g := newFixture(t)
		g.measure(t, "webgpu")
		g.judge(t)
		dir := g.publish(t)
		putModel(t, &g, dir, "fp32")
		forge(t, dir, nil)
		require.Contains(t, damaged(t, dir), "got no model file of fp16")
	})
	t.Run("its row changed, now that its file is not there", func(t *testing.T) {
		dir := fresh(t)
		path := filepath.Join(dir, VerdictName)
		for name, change := range map[string]func(r *verdict.Row){
			"passed":       func(r *verdict.Row) { r.Result = verdict.Pass },
			"required":     func(r *verdict.Row) { r.Required = true },
			"best":         func(r *verdict.Row) { r.Best = true },
			"other people": func(r *verdict.Row) { r.Evidence = strings.Repeat("0", 64) },
		} {
			v, err := verdict.Read(path)
			require.NoError(t, err)
			for i := range v.Rows {
				if v.Rows[i].Variant == "fp16" {
					change(&v.Rows[i])
				}
			}
			kept, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, verdict.Write(path, v))
			forge(t, dir, nil)
			damaged(t, dir)
			require.NoError(t, os.WriteFile(path, kept, 0o644), name)
		}
	})
	t.Run("another manifest than the one that was judged", func(t *testing.T) {
		dir := fresh(t)
		path := filepath.Join(dir, JudgedName)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(b, '\n'), 0o644))
		forge(t, dir, nil)
		require.Contains(t, damaged(t, dir), "verdict: it was given on another candidate")
	})
}

func TestACandidateWithFilesOfItsOwnIsNotPublished(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *fixture)
		want  string
	}{
		"a file more": {func(t *testing.T, f *fixture) {
			f.write(t, "candidate/readme.txt", []byte("hello"))
		}, "readme.txt"},
		"code":    {func(t *testing.T, f *fixture) { f.write(t, "candidate/modeling.py", []byte("import os")) }, "modeling.py"},
		"weights": {func(t *testing.T, f *fixture) { f.write(t, "candidate/pytorch_model.bin", []byte("PK")) }, "pytorch_model.bin"},
		"another tokenizer": {func(t *testing.T, f *fixture) {
			f.write(t, "candidate/tokenizer.json", []byte(`{"model":{"vocab":{"a":1}}}`))
		}, "tokenizer.json"},
		"another configuration": {func(t *testing.T, f *fixture) { f.write(t, "candidate/1_Pooling/config.json", []byte(`{"x":1}`)) }, "1_Pooling/config.json"},
		"another source":        {func(_ *testing.T, f *fixture) { f.Manifest.Source.Spec = "hf:someone/else@main" }, `source: got "hf:someone/else@main", wanted the policy's "dir:source"`},
		"somebody else's forward": {func(_ *testing.T, f *fixture) {
			v := f.Manifest.Variants["fp32"]
			v.Forward = candidate.ForwardForeign
			f.Manifest.Variants["fp32"] = v
		}, `got the forward "foreign"`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c.spoil(t, &f)
			target := filepath.Join(t.TempDir(), "dist")
			_, err := candidate.Seal(f.at("candidate"), f.Manifest)
			if err == nil { // else Seal refused it, as wanted
				f.reload(t)
				f.measure(t, "cpu")
				require.Equal(t, verdict.Pass, f.judge(t).Result)
				_, err = Publish(t.Context(), f.options(t, target))
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Usage, fault.KindOf(err))
			require.NoDirExists(t, target)
		})
	}
}

func TestAVerdictForAnotherChannelOrRoundIsNotPublished(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"a local verdict as the release": {func(o *Options) { o.Channel = "release" }, "got a verdict for channel local, wanted channel release"},
		"an old round":                   {func(o *Options) { o.Nonce = "plan-2" }, `got a verdict on round "plan", wanted round "plan-2"`},
		"no channel":                     {func(o *Options) { o.Channel = "" }, "--channel NAME --nonce @FILE"},
		"no round":                       {func(o *Options) { o.Nonce = "" }, "--channel NAME --nonce @FILE"},
	} {
		target := filepath.Join(t.TempDir(), "dist")
		o := f.options(t, target)
		c.change(&o)
		_, err := Publish(t.Context(), o)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, fault.Usage, fault.KindOf(err), name)
		require.NoDirExists(t, target, name)
	}
	dir := f.publish(t)
	_, err := Verify(t.Context(), dir, Expect{Golden: &f.Set, Channel: "local"})
	require.NoError(t, err)
	_, err = Verify(t.Context(), dir, Expect{Golden: &f.Set, Channel: "release"})
	require.ErrorContains(t, err, `manifest: got a release for channel "local", wanted "release"`)
	require.Equal(t, fault.Refused, fault.KindOf(err))
}

// negated is a fixture whose golden and vectors have the opposite sign. They
// agree with each other.
func negated(t *testing.T) fixture {
	f := newFixture(t)
	f.makeGoldenTimes(t, -1)
	f.measure(t, "cpu")
	require.Equal(t, verdict.Pass, f.judge(t).Result, "the two agree")
	return f
}

func TestANegatedModelWithANegatedGoldenIsRefused(t *testing.T) {
	right := newFixture(t)
	f := negated(t)
	dir := f.publish(t)
	_, err := Verify(t.Context(), dir, Expect{Golden: &f.Set})
	require.NoError(t, err, "all of it agrees with itself")
	_, err = Verify(t.Context(), dir, Expect{Golden: &right.Set})
	require.ErrorContains(t, err, "golden: got digest")
	require.Equal(t, fault.Refused, fault.KindOf(err))

	t.Run("nobody says which golden is meant", func(t *testing.T) {
		_, err := Verify(t.Context(), dir, Expect{})
		require.ErrorContains(t, err, "--golden DIR")
		require.Equal(t, fault.Usage, fault.KindOf(err))
	})
	t.Run("the policy means the one built in", func(t *testing.T) {
		const official = "all-MiniLM-L6-v2"
		require.NoError(t, os.WriteFile(filepath.Join(dir, PolicyName), bytes.Replace(f.Raw, []byte("name: tiny"), []byte("name: "+official), 1), 0o644))
		forge(t, dir, func(m *Manifest) { m.Model = official })
		_, err := Verify(t.Context(), dir, Expect{})
		require.ErrorContains(t, err, "the golden built in for "+official)
		require.Equal(t, fault.Refused, fault.KindOf(err))
	})
	t.Run("the policy names one of its own, such as the release's", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, PolicyName), bytes.Replace(f.Raw, []byte("name: tiny"), []byte("name: all-MiniLM-L6-v2\n  golden: golden"), 1), 0o644))
		forge(t, dir, func(m *Manifest) { m.Model = "all-MiniLM-L6-v2" })
		_, err := Verify(t.Context(), dir, Expect{})
		require.ErrorContains(t, err, "a policy that names one of its own")
		require.Equal(t, fault.Usage, fault.KindOf(err))
	})
}

func TestASessionWithCustomOperatorsIsNeverPublished(t *testing.T) {
	f := newFixture(t)
	f.measure(t, "cpu", func(e *evidence.Evidence) {
		e.Session.Options.Provider = map[string]string{"custom_op_library": "libother.so"}
	})
	v := f.judge(t)
	require.Equal(t, verdict.Fail, v.Result)
	require.Contains(t, v.Rows[0].Why()[0], "custom_op_library")
	f.editVerdict(t, func(v *verdict.Verdict) { v.Result, v.Rows[0].Result, v.Missing = verdict.Pass, verdict.Pass, nil })
	_, err := Publish(t.Context(), f.options(t, filepath.Join(t.TempDir(), "dist")))
	require.ErrorContains(t, err, "differs from judging the same evidence again")
}

func TestNamesThatDifferByTheirCaseAloneAreRefused(t *testing.T) {
	for _, twins := range [][2]string{
		{"model/Config.json", "model/config.json"}, {"model/1_Pooling/config.json", "model/1_pooling/other.json"}, {"evidence/CPU-fp32/evidence.json", "evidence/cpu-fp32/evidence.json"},
	} {
		m := Manifest{Files: map[string]candidate.File{twins[0]: {}, twins[1]: {}}}
		require.ErrorContains(t, m.checkPaths(), "differ by more than their case", twins)
	}
}
