package library

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

func TestNothingIsFetchedForOpenVINOWhereNothingIsIntels(t *testing.T) {
	const amd, intel = "vendor_id\t: AuthenticAMD\n", "vendor_id\t: GenuineIntel\n"
	for name, c := range map[string]struct {
		cpu, gpu string
		env      map[string]string
		missing  bool
	}{
		"an AMD machine":                    {cpu: amd, missing: true},
		"an AMD machine with an NVIDIA GPU": {cpu: amd, gpu: "0x10de\n", missing: true},
		"an AMD machine with an Intel GPU":  {cpu: amd, gpu: "0x8086\n"},
		"an Intel machine":                  {cpu: intel},
		"a library that the user named":     {cpu: amd, env: map[string]string{"EMBEDGATE_OPENVINO_LIB": "some.so"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := bare(t, linux, c.env)
			for path, content := range map[string]string{"/proc/cpuinfo": c.cpu, "/sys/class/drm/card0/device/vendor": c.gpu} {
				require.NoError(t, os.MkdirAll(filepath.Dir(m.root+path), 0o777))
				require.NoError(t, os.WriteFile(m.root+path, []byte(content), 0o666))
			}
			r, err := m.request(entry(t, "openvino"), Options{})
			require.NoError(t, err)
			_, _, err = r.device(t.Context())
			if !c.missing {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "neither a processor nor a GPU of Intel's")
			require.Equal(t, fault.Missing, fault.KindOf(err))
		})
	}
}
