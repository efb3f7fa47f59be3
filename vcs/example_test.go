package vcs_test

import (
	"fmt"

	"github.com/tidebot-dev/tidebot/vcs"
)

func ExampleRepo_Same() {
	a := vcs.Repo{Provider: "github.com", Path: "tidepool-org/shoreline"}
	b := vcs.Repo{Provider: "github.com", Path: "Tidepool-Org/Shoreline"}
	fmt.Println(a == b, a.Same(b))
	// Output: false true
}

func ExampleParsePermission() {
	level, err := vcs.ParsePermission("maintain")
	fmt.Println(level >= vcs.Write, err)
	_, err = vcs.ParsePermission("owner")
	fmt.Println(err)
	// Output:
	// true <nil>
	// permission "owner": want one of none, read, triage, write, maintain, admin
}
