package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesThatSomeSystemTakesForOthersAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", ".", "..", "../x", "/x", "a//b", "a/./b", "a/../b", "a/", `a\b`, "C:x", "a:b", "a\nb", "a\x00b", "a b", " a", "a ", "a.", "a./b", ".a", "-a",
		"con", "CON", "model/nul.json", "model/Aux.tar.gz", "com1", "LPT9.txt", "prn/x", "model/caf\u00e9.json", "model/cafe\u0301.json", "model/\u212aelvin.json",
		"model/\ufb01le.json", "model/te\u200bst.json", "model/" + strings.Repeat("a", 256), "a*", "a?", "a|b", "a<b", `a"b`,
	} {
		assert.Error(t, CheckPath(bad), "%q", bad)
	}
	for _, good := range []string{"policy.yaml", "model/1_Pooling/config.json", "evidence/cpu-fp32@x86-64-v2/evidence.json", "model/console.json", "model/com.json", "model/_x"} {
		assert.NoError(t, CheckPath(good), good)
	}
}
