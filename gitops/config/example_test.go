package config_test

import (
	"fmt"

	"github.com/tidebot-dev/tidebot/gitops/config"
)

func ExampleLoad() {
	file, err := config.Load("../../examples/tidepool/tidebot.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	service := file.Gitops().Services["shoreline"]
	for _, env := range []string{"qa1", "prod"} {
		t := service.Targets[env][0]
		fmt.Printf("%s: %s in %s\n    default %s\n", env, t.Location(), t.File, t.Default)
	}
	// Output:
	// qa1: annotation:fluxcd.io/tag.shoreline of HelmRelease/qa1/tidepool in environments/qa1/tidepool/helmrelease.yaml
	//     default glob:master-*
	// prod: annotation:fluxcd.io/tag.shoreline of HelmRelease/prod/tidepool in environments/prod/tidepool/helmrelease.yaml
	//     default semver:~1
}

func ExampleParse() {
	_, err := config.Parse("tidebot.yaml", []byte(`
apiVersion: tidebot.dev/v1
kind: Config
providers:
  github.com: {type: github, tokenForm: {env: GITHUB_TOKEN}}
environments:
  qa1: {repository: github.com/tidepool-org/cluster-qa1, branch: 1.10, allow: [source:write]}
services: {}
`))
	fmt.Println(err)
	// Output:
	// tidebot.yaml:5:15: providers."github.com": tokenFrom is missing: name env or file, just one of them
	// tidebot.yaml:5:30: providers."github.com".tokenForm: unknown key; did you mean tokenFrom?
	// tidebot.yaml:7:66: environments.qa1.branch: is a number, want text; put it in quotes
	// tidebot.yaml:8:11: services: name at least one service
}
