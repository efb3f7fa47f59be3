package gitops

import (
	"log/slog"
	"time"

	"github.com/tidebot-dev/tidebot/manifest"
	"github.com/tidebot-dev/tidebot/vcs"
)

// Options are what a [Deployer] is made of. All but Log and Now are required.
type Options struct {
	Config Config
	// Providers by name, as in [vcs.Repo.Provider].
	Providers map[string]vcs.Provider
	// Transports by the name of the config repository.
	Transports map[string]Transport
	Editor     manifest.Editor
	// Verify proves that after is before with just these edits made; it must
	// not be the editor's own code. See yamledit.Verify.
	Verify func(before, after []byte, edits ...manifest.Edit) error
	// Log gets a line for each command; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}
