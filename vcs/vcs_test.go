package vcs_test

import (
	"testing"

	"github.com/tidebot-dev/tidebot/vcs"
)

func TestReferencesAreWrittenAsAddresses(t *testing.T) {
	pr := vcs.PullRequestRef{Repo: vcs.Repo{Provider: "github.com", Path: "o/r"}, Number: 12}
	if got := (vcs.CommentRef{PullRequest: pr, ID: 345}).String(); got != "github.com/o/r/pull/12/comment/345" {
		t.Errorf("comment %s", got)
	}
}

func TestPermissionsAreReadAsTheyAreWritten(t *testing.T) {
	for p := vcs.None; p <= vcs.Admin; p++ {
		got, err := vcs.ParsePermission(p.String())
		if err != nil || got != p {
			t.Errorf("%s is read as %s, error %v", p, got, err)
		}
	}
	if got := vcs.Permission(99).String(); got != "permission(99)" {
		t.Errorf("an unknown permission is written %q", got)
	}
}
