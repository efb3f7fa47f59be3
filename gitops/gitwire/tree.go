package gitwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/tidebot-dev/tidebot/gitops"
)

// maxFile is the largest file that is read or written.
const maxFile = 10 << 20

// errMissing means that an object is not in memory.
var errMissing = errors.New("object not in memory")

// tree is a [gitops.Tree].
type tree struct {
	branch *branch
	snap   *snapshot
	commit *commitNode
}

func (t *tree) Info() gitops.CommitInfo {
	signature := func(s object.Signature) gitops.Signature { return gitops.Signature{Name: s.Name, Email: s.Email} }
	return gitops.CommitInfo{
		Revision:  t.commit.id.String(),
		Author:    signature(t.commit.author),
		Committer: signature(t.commit.committer),
		Committed: t.commit.committer.When,
		Message:   t.commit.message,
	}
}

func (t *tree) ReadFile(ctx context.Context, path string) ([]byte, error) {
	names, err := splitPath(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	for {
		data, err := lookup(t.snap.store, t.commit.tree, names)
		if errors.Is(err, errMissing) && t.commit.id != t.snap.tip {
			// The files of older commits are not kept for ever.
			if err = t.branch.deepen(ctx, t.snap); err == nil {
				continue
			}
		}
		if errors.Is(err, errMissing) {
			err = fmt.Errorf("file is larger than %d MiB, or the server did not send it: %w", maxFile>>20, err)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s at %.10s: %w", inert(path), t.commit.id, err)
		}
		return bytes.Clone(data), nil
	}
}

func (t *tree) Parent(ctx context.Context) (gitops.Tree, error) {
	if len(t.commit.parents) == 0 {
		return nil, fmt.Errorf("parent of %.10s: %w", t.commit.id, fs.ErrNotExist)
	}
	parents, err := t.parents(ctx, 1)
	if err != nil {
		return nil, err
	}
	return &tree{branch: t.branch, snap: t.snap, commit: parents[0]}, nil
}

// parents returns the first n parents, fetching them if need be.
func (t *tree) parents(ctx context.Context, n int) ([]*commitNode, error) {
	for {
		found := make([]*commitNode, 0, n)
		for _, h := range t.commit.parents[:n] {
			if c, ok := t.snap.store.commit(h); ok {
				found = append(found, c)
			}
		}
		if len(found) == n {
			return found, nil
		}
		if err := t.branch.deepen(ctx, t.snap); err != nil {
			return nil, fmt.Errorf("parent of %.10s: %w", t.commit.id, err)
		}
	}
}

func (t *tree) Log(ctx context.Context) iter.Seq2[gitops.Tree, error] {
	return func(yield func(gitops.Tree, error) bool) {
		for c, err := range t.log(ctx, hash{}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// log is Log, of the concrete type, and does not go below floor. Parents are
// looked for only when the next commit is asked for.
func (t *tree) log(ctx context.Context, floor hash) iter.Seq2[*tree, error] {
	return func(yield func(*tree, error) bool) {
		queue := &byDate{t.commit}
		seen := map[hash]bool{t.commit.id: true}
		for len(*queue) > 0 {
			if ctx.Err() != nil {
				yield(nil, fmt.Errorf("read history: %w", context.Cause(ctx)))
				return
			}
			next := &tree{branch: t.branch, snap: t.snap, commit: queue.pop()}
			if !yield(next, nil) {
				return
			}
			if next.commit.id == floor {
				continue
			}
			parents, err := next.parents(ctx, len(next.commit.parents))
			if err != nil {
				yield(nil, err)
				return
			}
			for _, p := range parents {
				if !seen[p.id] {
					seen[p.id] = true
					queue.push(p)
				}
			}
		}
	}
}

// splitPath checks a path and takes it apart.
func splitPath(path string) ([]string, error) {
	names := strings.Split(path, "/")
	for _, n := range names {
		if n == "" || n == "." || n == ".." || strings.EqualFold(n, ".git") || strings.ContainsAny(n, "\x00\\") {
			return nil, fmt.Errorf("path %q is not one of a file in a repository", inert(path))
		}
	}
	return names, nil
}

// lookup returns the contents of a regular file.
func lookup(s *store, root hash, names []string) ([]byte, error) {
	for i, name := range names {
		data, ok := s.get(root, plumbing.TreeObject)
		if !ok {
			return nil, errMissing
		}
		e, ok, err := findEntry(data, name)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, fs.ErrNotExist
		case i == len(names)-1:
			return readRegular(s, e)
		}
		if err := e.passable(); err != nil {
			return nil, err
		}
		root = e.hash
	}
	return nil, fs.ErrNotExist
}

// passable says why an entry is no directory to go through.
func (e entry) passable() error {
	switch {
	case e.isTree():
		return nil
	case e.isLink():
		return fmt.Errorf("%s is a symbolic link", inert(e.name))
	case e.isSubmodule():
		return fmt.Errorf("%s is a submodule", inert(e.name))
	}
	return fmt.Errorf("%s is no directory: %w", inert(e.name), fs.ErrNotExist)
}

func readRegular(s *store, e entry) ([]byte, error) {
	switch {
	case e.isTree():
		return nil, fmt.Errorf("%s is a directory", inert(e.name))
	case !e.isFile():
		return nil, e.passable()
	}
	data, ok := s.get(e.hash, plumbing.BlobObject)
	switch {
	case !ok:
		return nil, errMissing
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", inert(e.name), maxFile>>20)
	case bytes.HasPrefix(data, []byte("version https://git-lfs")):
		return nil, fmt.Errorf("%s is a pointer of Git LFS", inert(e.name))
	}
	return data, nil
}
