variable "airbyte_url" {
  description = "The API of your Airbyte, such as https://airbyte.example.com/api/public/v1, without a slash at its end."
  type        = string
}

variable "client_id" {
  description = "The id of an application of your Airbyte, from its settings."
  type        = string
}

variable "client_secret" {
  description = "The secret of that application."
  type        = string
  sensitive   = true
}

variable "workspace_id" {
  description = "The workspace, a UUID in its address."
  type        = string
}

variable "destination_id" {
  description = "The destination that is there already, a UUID in its address."
  type        = string
}

variable "image" {
  description = "The source's image, without its tag, in a registry that the cluster pulls from."
  type        = string
}

variable "image_tag" {
  type = string
}

variable "api_url" {
  description = "The Tracker server."
  type        = string
  default     = "https://app.litetracker.com/services/v5"
}

variable "requests_per_minute" {
  description = "What the server allows each token."
  type        = number
  default     = 200
}

variable "tokens" {
  description = "API tokens, each by a name of your own."
  type        = map(string)
  sensitive   = true
}

variable "shares" {
  description = "The connections: which projects each reads, with whose token. No project may be in two of them."
  type = map(object({
    token       = string
    project_ids = list(number)
  }))

  validation {
    condition     = length(flatten(values(var.shares)[*].project_ids)) == length(distinct(flatten(values(var.shares)[*].project_ids)))
    error_message = "A project is in two shares: it would be read twice, at the cost of twice the requests."
  }

  validation {
    condition     = alltrue([for share in values(var.shares) : length(share.project_ids) > 0])
    error_message = "A share has no projects: an empty list would mean all projects of the token."
  }
}
