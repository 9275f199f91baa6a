package pyenv

// Site is the environment's site-packages.
func (e Env) Site() string { return sitePackages(e.Dir) }
