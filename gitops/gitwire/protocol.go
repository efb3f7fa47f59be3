package gitwire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// The messages of Git's protocol, version 0, which every server speaks:
// gitprotocol-pack(5), gitprotocol-capabilities(5).

const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"

	agentName = "tidebot"

	// maxAdvertisement bounds a list of refs: about 500,000 of them.
	maxAdvertisement = 32 << 20
	maxReport        = 1 << 20
	maxWords         = 1000
)

// An advertisement is what a server says of a branch, and of itself.
type advertisement struct {
	tip   hash // zero if there is no such branch
	empty bool // there are no refs at all
	caps  map[string]string
}

func (a *advertisement) can(capability string) bool {
	_, ok := a.caps[capability]
	return ok
}

// readAdvertisement reads a list of refs and picks a branch.
func readAdvertisement(r io.Reader, branch string) (*advertisement, error) {
	a := &advertisement{empty: true, caps: make(map[string]string)}
	ref := "refs/heads/" + branch
	lines := pktline.NewScanner(io.LimitReader(r, maxAdvertisement))
	first := true
	for lines.Scan() {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		switch {
		case strings.HasPrefix(line, "# service="):
			lines.Scan() // a flush follows it
			continue
		case line == "version 1" && first:
			continue
		case line == "":
			return a, nil
		}
		if first {
			first = false
			var caps string
			line, caps, _ = strings.Cut(line, "\x00")
			for _, c := range strings.Fields(caps) {
				name, value, _ := strings.Cut(c, "=")
				a.caps[name] = value
			}
			id, _, _ := strings.Cut(line, " ")
			if format, ok := a.caps["object-format"]; ok && format != "sha1" || len(id) == 64 {
				return nil, errors.New("repository uses SHA-256 object IDs, which are not supported (object-format)")
			}
		}
		id, name, ok := strings.Cut(line, " ")
		if !ok || !plumbing.IsHash(id) {
			return nil, fmt.Errorf("list of refs is malformed: %s", inert(line))
		}
		if id == "shallow" || name == "capabilities^{}" {
			continue
		}
		a.empty = false
		if name == ref {
			a.tip = plumbing.NewHash(id)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read list of refs: %w", spoken(err))
	}
	return nil, fmt.Errorf("read list of refs: %w", io.ErrUnexpectedEOF)
}

// A fetchRequest asks for commits down to a depth, leaving out what is known.
type fetchRequest struct {
	want  hash
	have  hash   // zero: nothing is known
	cut   []hash // the border of what is known
	depth int
}

// encode writes the request as git-upload-pack reads it.
func (f fetchRequest) encode(a *advertisement) ([]byte, error) {
	caps := []string{"agent=" + agentName}
	for _, c := range []string{"side-band-64k", "ofs-delta", "thin-pack", "no-progress"} {
		if a.can(c) {
			caps = append(caps, c)
		}
	}
	for _, c := range []string{"side-band-64k", "shallow"} {
		if !a.can(c) {
			return nil, fmt.Errorf("server cannot do %s", c)
		}
	}
	if a.can("filter") {
		caps = append(caps, "filter")
	}
	var b bytes.Buffer
	e := pktline.NewEncoder(&b)
	lines := []string{fmt.Sprintf("want %s %s\n", f.want, strings.Join(caps, " "))}
	for _, h := range f.cut {
		lines = append(lines, fmt.Sprintf("shallow %s\n", h))
	}
	lines = append(lines, fmt.Sprintf("deepen %d\n", f.depth))
	if a.can("filter") {
		lines = append(lines, fmt.Sprintf("filter blob:limit=%d\n", maxFile+1))
	}
	lines = append(lines, "")
	if !f.have.IsZero() {
		lines = append(lines, fmt.Sprintf("have %s\n", f.have))
	}
	lines = append(lines, "done\n")
	for _, l := range lines {
		if err := e.EncodeString(l); err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
	}
	return b.Bytes(), nil
}

// readFetched reads the answer to a fetchRequest into the store.
func readFetched(r io.Reader, into *store) error {
	limited := io.LimitReader(r, maxPack)
	var cut, uncut []hash
	lines := pktline.NewScanner(limited)
	for acknowledged := false; !acknowledged; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return fmt.Errorf("read answer: %w", spoken(err))
			}
			return fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF)
		}
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		word, id, _ := strings.Cut(line, " ")
		switch word {
		case "shallow":
			cut = append(cut, plumbing.NewHash(id))
		case "unshallow":
			uncut = append(uncut, plumbing.NewHash(id))
		case "ACK", "NAK":
			acknowledged = true
		case "":
		default:
			return fmt.Errorf("read answer: unexpected line %s", inert(line))
		}
	}
	demuxer := sideband.NewDemuxer(sideband.Sideband64k, limited)
	objects, err := readPack(bufio.NewReader(demuxer), into)
	if err != nil {
		return spoken(err)
	}
	return into.add(objects, cut, uncut)
}

// encodePush writes the command and the pack as git-receive-pack reads them.
// old is the compare-and-swap: the server moves the branch only from there.
func encodePush(a *advertisement, branch string, c *candidate) ([]byte, error) {
	for _, need := range []string{"report-status", "side-band-64k"} {
		if !a.can(need) {
			return nil, fmt.Errorf("server cannot do %s", need)
		}
	}
	caps := "report-status side-band-64k agent=" + agentName
	if a.can("object-format") {
		caps += " object-format=sha1"
	}
	var b bytes.Buffer
	e := pktline.NewEncoder(&b)
	if err := e.Encodef("%s %s refs/heads/%s\x00%s\n", c.parent, c.id, branch, caps); err != nil {
		return nil, fmt.Errorf("write push: %w", err)
	}
	if err := e.Flush(); err != nil {
		return nil, fmt.Errorf("write push: %w", err)
	}
	b.Write(c.pack)
	return b.Bytes(), nil
}

// A report is the server's word on a push.
type report struct {
	ok     bool
	reason string // of the server, if not ok
	words  string // of its hooks, to people
}

// readReport reads the answer to a push. An error means that the answer says
// nothing about the branch.
func readReport(r io.Reader, branch string) (*report, error) {
	words := &capped{max: 4 * maxWords}
	d := sideband.NewDemuxer(sideband.Sideband64k, io.LimitReader(r, maxReport))
	d.Progress = words
	var status packp.ReportStatus
	if err := status.Decode(d); err != nil {
		err = spoken(err)
		// What a dying hook said is told all the same.
		if w := inert(words.String()); w != "" {
			return nil, fmt.Errorf("read report: %w (server says: %s)", err, w)
		}
		return nil, fmt.Errorf("read report: %w", err)
	}
	// Hooks that run after the update may still have words to say; they
	// change nothing, and an unclean end of them does not either.
	_, _ = io.Copy(io.Discard, d)
	rep := &report{words: inert(words.String())}
	if status.UnpackStatus != "ok" {
		rep.reason = inert("unpack: " + status.UnpackStatus)
		return rep, nil
	}
	for _, s := range status.CommandStatuses {
		if string(s.ReferenceName) == "refs/heads/"+branch {
			rep.ok = s.Status == "ok"
			rep.reason = inert(s.Status)
			return rep, nil
		}
	}
	return nil, fmt.Errorf("read report: nothing about branch %s", branch)
}

// refusal is the server's words as one line.
func (r *report) refusal() string {
	if r.words == "" {
		return r.reason
	}
	return r.words + " (" + r.reason + ")"
}

// racy says whether the reason may be that somebody else is just pushing.
// It decides only whether to look again, never what has happened: servers
// word it in many ways.
func (r *report) racy() bool {
	for _, s := range []string{"lock", "failed to update ref", "incorrect old value", "fetch first", "non-fast-forward", "atomic", "stale"} {
		if strings.Contains(r.reason, s) {
			return true
		}
	}
	return false
}

// inert makes a text from outside fit for one line of a message: lines joined,
// control and formatting characters gone, length bounded.
func inert(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	var lines []string
	for line := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
				return -1
			}
			return r
		}, line)
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	s = strings.Join(lines, "; ")
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + "..."
	}
	return s
}

// spoken takes the server's own words in an error for what they are. Other
// errors of go-git repeat bytes of the server too.
func spoken(err error) error {
	if line := new(pktline.ErrorLine); errors.As(err, &line) {
		return fmt.Errorf("server says: %s", inert(line.Text))
	}
	if text := err.Error(); inert(text) != text {
		return errors.New(inert(text))
	}
	return err
}

// capped keeps the first bytes written to it. Safe for concurrent use: the
// service that speaks may not have ended.
type capped struct {
	mu   sync.Mutex
	text []byte
	max  int
}

func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p[:min(len(p), c.max-len(c.text))]...)
	return len(p), nil
}

func (c *capped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}
