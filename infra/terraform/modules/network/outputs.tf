output "vpc_id" {
  description = "The network"
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "One for each zone, with addresses of the internet"
  value       = aws_subnet.public[*].id
}

output "private_subnet_ids" {
  description = "One for each zone, reached from inside only"
  value       = aws_subnet.private[*].id
}
