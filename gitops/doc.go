// Package gitops turns a command of a person into one commit in a config
// repository: the order of the steps, and the rules.
//
// [Deployer.Execute] is the product. It reads a command ([ParseComment]),
// asks whether the person may, finds the targets in a [Config], and edits,
// proves and pushes through three interfaces: [manifest.Editor], [Transport]
// and [vcs.Provider]. The package imports the standard library, manifest and
// vcs only; what is heavy lies in packages below.
package gitops
