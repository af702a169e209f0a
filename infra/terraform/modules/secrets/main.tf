# The key that encrypts everything at rest, the mesh's own secret, and those that a person fills in.
# Values are write-only: they are in Secrets Manager, and neither in plans nor in Terraform's state.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # cli/migrate.py looks for this word and stops the deployment that would use it.
  placeholder = "PLACEHOLDER"
}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109: a key's policy names the key itself as "*"; access is given by the account's IAM
  # checkov:skip=CKV_AWS_111: a key's policy names the key itself as "*"
  # checkov:skip=CKV_AWS_356: a key's policy names the key itself as "*"
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${data.aws_region.current.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:aws:logs:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:log-group:/flowloom/${var.name}/*"]
    }
  }

  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_kms_key" "this" {
  description         = "${var.name}: data, secrets and logs at rest"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

ephemeral "random_password" "mesh" {
  length  = 48
  special = false
}

resource "aws_secretsmanager_secret" "mesh" {
  # checkov:skip=CKV2_AWS_57: all services must change it at the same time: raise generated_secrets_version and deploy
  name        = "${var.name}/MESH_SECRET"
  description = "Signs the caller's identity between services"
  kms_key_id  = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "mesh" {
  secret_id                = aws_secretsmanager_secret.mesh.id
  secret_string_wo         = ephemeral.random_password.mesh.result
  secret_string_wo_version = var.generated_version
}

resource "aws_secretsmanager_secret" "given" {
  # checkov:skip=CKV2_AWS_57: whoever issued it changes it
  for_each = var.given

  name        = "${var.name}/${each.key}"
  description = "Filled in by a person; services that need it are not deployed before"
  kms_key_id  = aws_kms_key.this.arn
}

# Only the first version is written here: what a person puts in later stays.
resource "aws_secretsmanager_secret_version" "given" {
  for_each = var.given

  secret_id                = aws_secretsmanager_secret.given[each.key].id
  secret_string_wo         = local.placeholder
  secret_string_wo_version = 1
}
