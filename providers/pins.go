package providers

import (
	"maps"
	"slices"
)

// The sha256 of the runtime libraries in the packages that the catalogue names.
// A package is pinned by its own hash before anything is taken out of it; these
// tell what evidence was measured with. On Windows each Python version's wheel
// has a build of its own, 3.11 to 3.14 here; elsewhere all have the same.
var (
	wheelLinuxAMD64   = []string{"6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f"}
	wheelLinuxARM64   = []string{"49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a"}
	wheelDarwinARM64  = []string{"fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7"}
	wheelWindowsAMD64 = []string{
		"e9feebaed867b76f741c14ae64e056a3da64a153a61994f1fb48eadc7f9b3ba8",
		"443c0065fcdba17618ddef05050308f4b471893c5c7da0337d6957c9073ad8a7",
		"bf0927ca8efb68ad67f6cad3851641dc78e21a687a3fd959ae262d3252e9fa0a",
		"f529520505e46ba357e8042bb690f30135b2df01f5ff674b8d069f8201e091e9",
	}
	wheelWindowsARM64 = []string{
		"d3587771474d96427cc5683fa49440127e928622a5e9df0f3e24209ae1fc42ad",
		"a5c1951a7d495fa0c22a0865fe36981fe67f9d5dc7ba3893c20fa7266dd1e994",
		"c8121a5c99f7b07f3f9b4fd0ce0843d27a3446763644b1e9860b797bb2ded94f",
		"ff2eadcf6a9400d9f4e055e19deee9fe9ee63d1e0810e1b2a1099c03eab69a73",
	}
	gpuLinuxAMD64    = []string{"5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303"}
	nodeLinuxAMD64   = []string{"ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"}
	nodeDarwinARM64  = []string{"685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d"}
	nodeWindowsAMD64 = []string{"508c362f5673483dd3a086379c392795b2e42d10d5e6f3f90ebd7ac21c97af67"}
	nodeWindowsARM64 = []string{"6c3a2abf5c6aca11c48a0d338a91af309f2266f25ce2e4084e6a87bbcb0fbfd0"}
)

// Pinned tells whether a library of that sha256 is one that the entry's source
// has, for any platform.
func (e Entry) Pinned(sha256 string) bool {
	return slices.ContainsFunc(e.Source.Files, func(p PlatformFiles) bool { return slices.Contains(p.SHA256, sha256) })
}

// OptionsWith are the provider's own options that a session is opened with: the
// entry's, then those asked for. Nil: none. The map is the caller's.
func (e Entry) OptionsWith(own map[string]string) map[string]string {
	if len(e.Options)+len(own) == 0 {
		return nil
	}
	all := maps.Clone(e.Options)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, own)
	return all
}
