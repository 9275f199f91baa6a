package publish

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestAPublishedReleaseVerifies(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	r, err := verify(t.Context(), dir)
	require.NoError(t, err)
	var checked []string
	for _, i := range r.Items {
		assert.True(t, i.OK, i.Name)
		assert.NotEmpty(t, i.Detail, i.Name)
		checked = append(checked, i.Name)
	}
	require.Equal(t, []string{"manifest", "files", "policy", "golden", "model", "verdict", "gate, asked again"}, checked)

	t.Run("under another name", func(t *testing.T) {
		moved := filepath.Join(t.TempDir(), "latest")
		require.NoError(t, os.CopyFS(moved, os.DirFS(dir)))
		_, err := verify(t.Context(), moved)
		require.NoError(t, err)
	})
	t.Run("through a link to it", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "latest")
		require.NoError(t, os.Symlink(dir, link))
		_, err := verify(t.Context(), link)
		require.NoError(t, err)
	})
	t.Run("with evidence of a provider that was not measured", func(t *testing.T) {
		f.measure(t, "cuda", func(e *evidence.Evidence) {
			*e = evidence.Evidence{
				Provider: e.Provider, Variant: e.Variant, Nonce: e.Nonce, Candidate: e.Candidate, Policy: e.Policy, Golden: e.Golden,
				NotMeasured: &evidence.NotMeasured{Reason: "no GPU", Remedy: "use one"},
			}
		})
		f.judge(t)
		dir := f.publish(t)
		require.Contains(t, names(t, dir), "evidence/cuda-fp32/evidence.json")
		_, err := verify(t.Context(), dir)
		require.NoError(t, err)
	})
}

// damaged verifies dir, wants it refused, and returns why.
func damaged(t testing.TB, dir string) string {
	r, err := verify(t.Context(), dir)
	require.Error(t, err)
	require.Equal(t, fault.Refused, fault.KindOf(err), "%v", err)
	require.ErrorIs(t, err, errNotWhole)
	require.NotEmpty(t, r.Items)
	require.False(t, r.Items[len(r.Items)-1].OK)
	return err.Error()
}

func TestAnyFlippedByteInAnyFileIsFound(t *testing.T) {
	// A digest covers every byte of a file alike, so that some bytes are enough.
	// No digest covers the manifest, which is flipped at every offset.
	samples := 60
	if testing.Short() {
		samples = 40 // of each
	}
	f := newFixture(t)
	dir := f.publish(t)
	r := rand.New(rand.NewPCG(11, 3))
	flips := 0
	for _, name := range names(t, dir) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		good, err := os.ReadFile(path)
		require.NoError(t, err)
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		require.NoError(t, err)
		try := func(at int, mask byte) {
			flips++
			_, err := file.WriteAt([]byte{good[at] ^ mask}, int64(at))
			require.NoError(t, err)
			if _, err := verify(t.Context(), dir); fault.KindOf(err) != fault.Refused {
				t.Fatalf("%s: byte %d (%q) flipped by %#x: got %v, wanted it refused", name, at, good[at], mask, err)
			}
			_, err = file.WriteAt(good[at:at+1], int64(at))
			require.NoError(t, err)
		}
		switch {
		case testing.Short():
			for range samples {
				try(r.IntN(len(good)), byte(1+r.IntN(255)))
			}
		case name == ManifestName: // no digest covers it; 0x20 is a letter's case
			for at := range good {
				try(at, byte(1+r.IntN(255)))
				if 'A' <= good[at]&^0x20 && good[at]&^0x20 <= 'Z' {
					try(at, 0x20)
				}
			}
		default:
			try(0, 1)
			try(len(good)-1, 1)
			for range samples {
				try(r.IntN(len(good)), byte(1+r.IntN(255)))
			}
		}
		require.NoError(t, file.Close())
	}
	_, err := verify(t.Context(), dir)
	require.NoError(t, err, "every byte was put back")
	t.Logf("%d flips, each found", flips)
}

func TestAnyTruncationAndExtensionIsFound(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	for _, name := range names(t, dir) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		good, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, bad := range [][]byte{nil, good[:len(good)-1], good[:len(good)/2], append(good[:len(good):len(good)], '\n'), append(good[:len(good):len(good)], 0)} {
			require.NoError(t, os.WriteFile(path, bad, 0o644))
			damaged(t, dir)
		}
		require.NoError(t, os.Remove(path))
		require.Contains(t, damaged(t, dir), name+" is missing")
		require.NoError(t, os.WriteFile(path, good, 0o644))
	}
	_, err := verify(t.Context(), dir)
	require.NoError(t, err)
}

func TestAllDamagedFilesAreNamedAtOnce(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	require.NoError(t, os.Truncate(filepath.Join(dir, "policy.yaml"), 1))
	require.NoError(t, os.Truncate(filepath.Join(dir, "verdict.json"), 1))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "extra"), nil, 0o644))
	why := damaged(t, dir)
	for _, name := range []string{"policy.yaml: got sha256", "verdict.json: got sha256", "got extra (a file), which the manifest does not name"} {
		require.Contains(t, why, name)
	}
}

func TestWhatDoesNotBelongInAReleaseIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"a file more": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "golden", "x"), nil, 0o644))
		}, "golden/x"},
		"a directory more": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "model", "2_Dense"), 0o755))
		}, "model/2_Dense (a directory)"},
		"a link in place of a file": {func(t *testing.T, dir string) {
			out := filepath.Join(t.TempDir(), "policy.yaml")
			require.NoError(t, os.Rename(filepath.Join(dir, PolicyName), out))
			require.NoError(t, os.Symlink(out, filepath.Join(dir, PolicyName)))
		}, "policy.yaml: got a symbolic link"},
		"a link in place of a directory": {func(t *testing.T, dir string) {
			out := filepath.Join(t.TempDir(), "model")
			require.NoError(t, os.Rename(filepath.Join(dir, ModelDir), out))
			require.NoError(t, os.Symlink(out, filepath.Join(dir, ModelDir)))
		}, "model (a symbolic link)"},
		"a link in place of the manifest": {func(t *testing.T, dir string) {
			out := filepath.Join(t.TempDir(), ManifestName)
			require.NoError(t, os.Rename(filepath.Join(dir, ManifestName), out))
			require.NoError(t, os.Symlink(out, filepath.Join(dir, ManifestName)))
		}, "release.json"},
		"a directory in place of a file": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, PolicyName)))
			require.NoError(t, os.Mkdir(filepath.Join(dir, PolicyName), 0o755))
		}, "policy.yaml: got a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			dir := f.publish(t)
			c.spoil(t, dir)
			require.Contains(t, damaged(t, dir), c.want)
		})
	}
}

// forge writes a release.json that agrees with the files in dir, as an attacker
// would who changed them.
func forge(t testing.TB, dir string, edit func(*Manifest)) {
	b, err := os.ReadFile(filepath.Join(dir, ManifestName))
	require.NoError(t, err)
	m, err := parseManifest(b)
	require.NoError(t, err)
	m.Files = map[string]candidate.File{}
	for _, f := range names(t, dir) {
		if f == ManifestName {
			continue
		}
		m.Files[f], err = files.HashFile(filepath.Join(dir, filepath.FromSlash(f)))
		require.NoError(t, err)
	}
	m.Verdict = m.Files[VerdictName].SHA256
	if v, err := verdict.Read(filepath.Join(dir, VerdictName)); err == nil {
		m.Selection = selection(v)
		if p, err := policy.Load(filepath.Join(dir, PolicyName)); err == nil {
			if c, err := candidate.ReadManifest(dir); err == nil {
				m.Proven, err = byModelFile(c.Manifest, passedRuns(v, p))
				require.NoError(t, err)
			}
		}
	}
	if edit != nil {
		edit(&m)
	}
	m.Content = contentDigest(m.Files)
	b, err = m.encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestName), b, 0o644))
}

func TestAReleaseWithRightDigestsAndWrongContentIsRefused(t *testing.T) {
	put := func(t *testing.T, dir, name string, b []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), b, 0o644))
	}
	v := func(t *testing.T, dir string, edit func(*verdict.Verdict)) {
		path := filepath.Join(dir, VerdictName)
		v, err := verdict.Read(path)
		require.NoError(t, err)
		edit(&v)
		require.NoError(t, verdict.Write(path, v))
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *fixture, dir string) func(*Manifest)
		want  string
	}{
		"a nicer number in the verdict": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			v(t, dir, func(v *verdict.Verdict) { v.Rows[0].Parity.MaxAbs /= 10 })
			return nil
		}, "gate, asked again: verdict: got one that differs"},
		"a PASS written over a FAIL": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Raw.Primary[0] += 1e-2 })
			f.judge(t)
			f.editVerdict(t, func(v *verdict.Verdict) { v.Result, v.Rows[0].Result, v.Missing = verdict.Pass, verdict.Pass, nil })
			f.putEvidence(t, dir)
			return nil
		}, "gate, asked again: verdict: got one that differs"},
		"an honest FAIL": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Raw.Primary[0] += 1e-2 })
			f.judge(t)
			f.putEvidence(t, dir)
			return nil
		}, "verdict: got FAIL, wanted PASS"},
		"somebody else's export": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			v(t, dir, func(v *verdict.Verdict) { v.Foreign = true })
			return nil
		}, "somebody else's export"},
		"other evidence than was judged": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			old, err := os.ReadFile(f.at("verdict.json"))
			require.NoError(t, err)
			f.measure(t, "cpu", func(e *evidence.Evidence) { e.Latency[0].SamplesNS[0]-- })
			f.putEvidence(t, dir)
			put(t, dir, VerdictName, old)
			return nil
		}, "gate, asked again"},
		"evidence removed": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, EvidenceDir)))
			return nil
		}, "gate, asked again"},
		"evidence in another's place": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			require.NoError(t, os.Rename(filepath.Join(dir, "evidence", "cpu-fp32"), filepath.Join(dir, "evidence", "cuda-fp32")))
			return nil
		}, "got the evidence of cpu × fp32 in evidence/cuda-fp32"},
		"vectors without their evidence": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "evidence", "cuda-fp32"), 0o755))
			put(t, dir, "evidence/cuda-fp32/vectors.safetensors", []byte("x"))
			return nil
		}, "evidence/cuda-fp32 has no evidence.json"},
		"a table that marks another variant best": {func(*testing.T, *fixture, string) func(*Manifest) {
			return func(m *Manifest) { m.Selection[1].Best = true }
		}, "verdict: got a table of variants in release.json that does not follow from it"},
		"another model": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			f.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
			c, err := candidate.Seal(f.at("candidate"), f.Manifest)
			require.NoError(t, err)
			f.Candidate = c
			putModel(t, f, dir, "fp32")
			b, err := os.ReadFile(f.at("candidate", candidate.ManifestName))
			require.NoError(t, err)
			put(t, dir, JudgedName, b)
			return nil
		}, "verdict: it was given on another candidate, policy or golden"},
		"another model than the one that was judged": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			f.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
			c, err := candidate.Seal(f.at("candidate"), f.Manifest)
			require.NoError(t, err)
			f.Candidate = c
			putModel(t, f, dir, "fp32")
			return nil
		}, "model: model/candidate.json: got sha256"},
		"another model under the old candidate manifest": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, "model/fp32.onnx", tinyONNX([]byte("other weights")))
			return nil
		}, "model: "},
		"a laxer policy": {func(t *testing.T, f *fixture, dir string) func(*Manifest) {
			put(t, dir, PolicyName, []byte(strings.Replace(string(f.Raw), "20ms", "21ms", 1)))
			return nil
		}, "verdict: it was given on another"},
		"a golden that is not one": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, "golden/golden.json", []byte("{}"))
			return nil
		}, "golden: "},
		"a policy that is not one": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, PolicyName, []byte("schema: 2\n"))
			return nil
		}, "policy: "},
		"a verdict that is not one": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, VerdictName, []byte("{}"))
			return nil
		}, "verdict: "},
		"another channel":      {func(*testing.T, *fixture, string) func(*Manifest) { return func(m *Manifest) { m.Channel = "release" } }, `wanted the manifest's "release"`},
		"another version":      {func(*testing.T, *fixture, string) func(*Manifest) { return func(m *Manifest) { m.Version = "1.0.1" } }, "wanted the manifest's tiny 1.0.1"},
		"another model's name": {func(*testing.T, *fixture, string) func(*Manifest) { return func(m *Manifest) { m.Model = "big" } }, "wanted the manifest's big"},
		"another schema":       {func(*testing.T, *fixture, string) func(*Manifest) { return func(m *Manifest) { m.Schema = 1 } }, "schema: got 1, wanted 2"},
		"another verdict in its digest": {func(*testing.T, *fixture, string) func(*Manifest) {
			return func(m *Manifest) { m.Verdict = m.Files[PolicyName].SHA256 }
		}, "verdict: got sha256"},
		"a file outside the release": {func(*testing.T, *fixture, string) func(*Manifest) {
			return func(m *Manifest) { m.Files["../x"] = candidate.File{} }
		}, "wanted a path inside the release"},
		"a file that no check looks at": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, "install.sh", []byte("echo"))
			return nil
		}, "no place in a release"},
		"a model file that the candidate does not name": {func(t *testing.T, _ *fixture, dir string) func(*Manifest) {
			put(t, dir, "model/install.sh", []byte("echo"))
			return nil
		}, "model: "},
		"a name with a line break": {func(*testing.T, *fixture, string) func(*Manifest) {
			return func(m *Manifest) { m.Files["model/a\nb"] = candidate.File{} }
		}, "wanted a path inside the release"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			dir := f.publish(t)
			forge(t, dir, nil)
			_, err := verify(t.Context(), dir)
			require.NoError(t, err, "forging by itself changes nothing")
			forge(t, dir, c.spoil(t, &f, dir))
			require.Contains(t, damaged(t, dir), c.want)
		})
	}
}

// putEvidence puts the fixture's cpu evidence and verdict into a release.
func (f *fixture) putEvidence(t testing.TB, dir string) {
	for from, to := range map[string]string{
		"evidence/cpu/evidence.json": "evidence/cpu-fp32/evidence.json", "evidence/cpu/vectors.safetensors": "evidence/cpu-fp32/vectors.safetensors",
		"verdict.json": VerdictName,
	} {
		b, err := os.ReadFile(f.at(filepath.FromSlash(from)))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(to)), b, 0o644))
	}
}

func TestVerifyingWhatIsNoDirectoryIsAUsersError(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), "", "oci:registry/x"} {
		_, err := verify(t.Context(), dir)
		require.Equal(t, fault.Usage, fault.KindOf(err), "%q: %v", dir, err)
	}
	require.Contains(t, damaged(t, t.TempDir()), "release.json is missing")
}

func TestVerifyingCanBeCancelled(t *testing.T) {
	f := newFixture(t)
	dir := f.publish(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := verify(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
}
