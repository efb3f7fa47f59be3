// Package gitwire brings commits to a branch of a Git repository in one
// request.
//
// It speaks Git's own protocol over HTTPS, SSH or to a local repository, and
// knows no working copy and no clone: in memory it holds the files at the tip
// of the branches it works on, and a push is a commit, the trees on the way to
// the changed files and these files. The server moves the branch only if it
// still is where the commit was built on; if it is not, the [Transport] reads
// what is new and starts over. So many may push to a branch, from one process
// or several, and no commit is overwritten.
//
// # Requests
//
// Over HTTP, a repository that is met for the first time costs four requests:
// two to read, two to push. Then a push is a single POST. If the server does
// not take it without having been asked for its refs first, the transport
// learns that and asks first from then on. If somebody else has pushed
// meanwhile it is four again.
//
// # What became of a push
//
// Success is said only if the server reported it, or if the commit was seen on
// the branch. After an answer that got lost the transport looks at the branch,
// and if it has not moved sends the very same bytes again: the server can
// apply them only once.
package gitwire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tidebot-dev/tidebot/gitops"
)

// Options are what a [Transport] is made of. Only URL is always required.
type Options struct {
	// URL is the repository: https://, http://, ssh://, user@server:path or
	// file://. It holds no password.
	URL string

	// Token returns the user name and the password or token for HTTP. It is
	// called for each request, so it should remember what it knows. GitHub
	// wants the user x-access-token, GitLab oauth2. Nil sends none.
	Token func(ctx context.Context) (user, password string, err error)

	// SSHKey is a private key in PEM or OpenSSH format, without a passphrase.
	SSHKey []byte
	// SSHAgent is the socket of an agent to ask for keys.
	SSHAgent string
	// KnownHosts is the path of a known_hosts file with the key of the SSH
	// server. It is required for SSH.
	KnownHosts string

	// HTTPClient is used with another policy for redirects: they are followed
	// to the same server only. Nil means one of the transport's own.
	HTTPClient *http.Client
	// Log gets what is worth knowing but no error; nil discards.
	Log *slog.Logger

	// Timeout bounds one exchange with the server; 0 means 30 s.
	Timeout time.Duration
	// Settle bounds how long it is tried to find out what became of a push
	// whose answer is missing, or whose caller is gone; 0 means 15 s.
	Settle time.Duration
	// Patience bounds an update in all, with all the times it starts over;
	// 0 means 2 minutes.
	Patience time.Duration
}

// A Transport is a [gitops.Transport] for one repository.
type Transport struct {
	opts Options
	wire wire

	mu       sync.Mutex
	branches map[string]*branch
	// receiver is what the server's git-receive-pack can do, nil until it
	// was met. askFirst is set once it did not take a push unasked.
	receiver *advertisement
	askFirst bool
}

var _ gitops.Transport = (*Transport)(nil)

// New returns a transport, or says which option does not fit. It does not
// connect.
func New(o Options) (*Transport, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Settle == 0 {
		o.Settle = 15 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Timeout < 0 || o.Settle < 0 || o.Patience < 0 {
		return nil, errors.New("gitwire: a timeout is negative")
	}
	w, err := newWire(&o)
	if err != nil {
		return nil, fmt.Errorf("gitwire: %w", err)
	}
	return &Transport{opts: o, wire: w, branches: make(map[string]*branch)}, nil
}

// Close gives up idle connections. The transport may be used on.
func (t *Transport) Close() error { return t.wire.close() }
