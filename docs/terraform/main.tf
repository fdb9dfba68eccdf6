# One source and one connection for each share of the projects. See ../scale.md.

terraform {
  required_version = ">= 1.5"

  required_providers {
    airbyte = {
      source  = "airbytehq/airbyte"
      version = "~> 1.3"
    }
  }
}

provider "airbyte" {
  server_url    = var.airbyte_url
  client_id     = var.client_id
  client_secret = var.client_secret
  token_url     = "${var.airbyte_url}/applications/token"
}

locals {
  # The server's limit is for each token: the shares that use the same one divide it.
  users_of_token = { for name, share in var.shares : share.token => name... }

  # Each of them merges by key, and deletes what was deleted.
  incremental = [
    "project_memberships", "labels", "epics", "epic_comments", "releases", "project_history_days", "stories",
    "story_tasks", "story_comments", "story_blockers", "story_reviews", "story_pull_requests", "story_branches",
    "file_attachments", "google_attachments", "story_transitions", "activity",
  ]

  # What has no cursor is replaced as a whole.
  full_refresh = ["projects", "iterations", "review_types"]
}

resource "airbyte_source_definition" "tracker" {
  name              = "Tracker v5"
  workspace_id      = var.workspace_id
  docker_repository = var.image
  docker_image_tag  = var.image_tag
}

resource "airbyte_source" "share" {
  for_each = var.shares

  name          = "Tracker ${each.key}"
  workspace_id  = var.workspace_id
  definition_id = airbyte_source_definition.tracker.id

  configuration = jsonencode({
    api_url             = var.api_url
    api_token           = var.tokens[each.value.token]
    project_ids         = each.value.project_ids
    requests_per_minute = floor(var.requests_per_minute / length(local.users_of_token[each.value.token]))
  })
}

resource "airbyte_connection" "share" {
  for_each = var.shares

  name           = "Tracker ${each.key}"
  source_id      = airbyte_source.share[each.key].source_id
  destination_id = var.destination_id

  # Tables of its own for each share: two connections must not merge into one table.
  prefix = "${each.key}_"

  schedule = {
    schedule_type   = "cron"
    cron_expression = "0 ${index(keys(var.shares), each.key) * 5 % 60} * * * ?"
  }

  configurations = {
    streams = concat(
      [for name in local.incremental : { name = name, sync_mode = "incremental_deduped_history" }],
      [for name in local.full_refresh : { name = name, sync_mode = "full_refresh_overwrite" }],
    )
  }
}
